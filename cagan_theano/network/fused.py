"""Operations with a graph inside, which a back end may compute by a kernel of its own."""

from typing import Any

from cagan_theano.compat import OpFromGraph


class FusedOp(OpFromGraph):
    """An expression as a single operation, which a back end may implement with its own kernel.

    attributes: the expression's constants, passed to the kernel.  A back end without a kernel inlines
    the inner graph (`backends.rewrites`).
    """

    attributes: tuple[float, ...] | None = None

    def infer_shape(self, fgraph: Any, node: Any, shapes: list[Any]) -> list[Any]:
        """The n-th output has the shape of the n-th input.

        OpFromGraph's own version copies the whole graph upstream: half of Aesara's compilation time.
        """
        return shapes[: len(node.outputs)]


class FusedInstanceNorm(FusedOp):
    """Norm and activation, (x[, gain, shift]) -> y.

    attributes: (epsilon, slope of the activation below 0; 1 means no activation).  backward: whether this is
    the gradient (x[, gain, shift], y, dy) -> (dx[, d gain, d shift]), whose inner graph Aesara derived.
    """

    backward = False

    def _recompute_lop_op(self) -> None:
        super()._recompute_lop_op()
        self._lop_op.attributes, self._lop_op.backward = self.attributes, True


class AdamStep(FusedOp):
    """Adam's update of one parameter, (theta, m, v, g_t, t) -> (theta_t, m_t, v_t).

    attributes: (learning rate, beta1, beta2, epsilon, whether epsilon is added to the uncorrected
    moment, and both numbers of `cagan_theano.method.adam.decay_schedule`).
    """
