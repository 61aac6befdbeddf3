"""Rewrites of the graph: fused operations inlined, and rematerialization.

Rematerialization: activations are recomputed for the gradients of kernels, not stored.  The input of a norm
is stored for the norm's own gradient.  Its output, and what is concatenated to it, is otherwise read only by
the gradient of the next layer's kernels.  Recomputing it costs one more pass and saves, together with the
order of execution set here, much of a step's temporary memory.
"""

from __future__ import annotations

from typing import Any

from cagan_theano.compat import abstract_conv, aesara
from cagan_theano.network.fused import FusedInstanceNorm, FusedOp
from cagan_theano.network.layers import Variable

FIRST, LAST = -0.01, 1000  # positions before and after all rewrites of Aesara
CONVOLUTIONS = abstract_conv.AbstractConv2d, abstract_conv.AbstractConv2d_gradInputs


def inline_fused_ops(query: Any) -> Any:
    """A rewrite database query (aesara.graph.rewriting) extended to inline every FusedOp first.

    For back ends without a kernel for it.  Aesara's own rewrite of OpFromGraph copies the whole graph
    upstream each time it is applied, and its cost explodes with the number of layers.
    """
    from aesara.graph.rewriting.basic import in2out, node_rewriter

    return query.register((in2out(node_rewriter([FusedOp])(expand)), FIRST))


def expand(fgraph: Any, node: Any) -> list[Variable]:
    """The replacements for the outputs of a FusedOp node."""
    op = node.op
    substitutes = dict(zip(op.inner_inputs, node.inputs))
    made = aesara.graph.basic.clone_get_equiv(
        op.inner_inputs, op.inner_outputs, copy_inputs=False, copy_orphans=False, memo=substitutes
    )
    return [made[output] for output in op.inner_outputs]


class RecomputedNorm(aesara.graph.op.Op):
    """A FusedInstanceNorm (x[, gain, shift]) computed again, and not before `until` is available.

    attributes: those of the FusedInstanceNorm.
    """

    __props__ = ("attributes",)

    def __init__(self, attributes: tuple[float, ...]) -> None:
        self.attributes = attributes

    def make_node(self, until: Variable, x: Variable, *affine: Variable) -> Any:
        return aesara.graph.basic.Apply(self, [until, x, *affine], [x.type()])

    def perform(self, node: Any, inputs: list[Any], outputs: list[Any]) -> None:
        raise NotImplementedError("RecomputedNorm runs under the JAX linker only")


class ControlDependency(aesara.graph.op.Op):
    """The identity of x, available only once `done` is."""

    __props__ = ()
    view_map = {0: [0]}

    def make_node(self, x: Variable, done: Variable) -> Any:
        return aesara.graph.basic.Apply(self, [x, done], [x.type()])

    def perform(self, node: Any, inputs: list[Any], outputs: list[Any]) -> None:
        outputs[0][0] = inputs[0]


def extend_with_recomputation(query: Any) -> Any:
    """A rewrite database query (aesara.graph.rewriting) with `recompute` as its last rewrite."""
    from aesara.graph.rewriting.basic import in2out, node_rewriter

    rewriter = node_rewriter([abstract_conv.AbstractConv2d_gradWeights])(recompute)
    return query.register((in2out(rewriter, ignore_newtrees=True), LAST))


def recompute(fgraph: Any, node: Any) -> dict[Variable, Variable] | bool:
    """The gradient of a layer's kernels from a recomputed activation, before that of the layer's input.

    Returns a dict of old -> new variables, or False if nothing changes.  In this order, what both gradients
    read is freed early; XLA would schedule the gradients of all kernels last.
    """
    images, gradients, *shape = node.inputs
    if node.outputs[0].type.dtype != "float32":  # the C++ kernels support float32 only
        return False
    if holds_norm(images):  # convolution
        back, made = gradients, node.op(again(images, gradients), gradients, *shape)
    elif holds_norm(gradients):  # transposed convolution
        back, made = images, node.op(images, again(gradients, images), *shape)
    else:
        return False
    changed = {node.outputs[0]: made}
    for client, place in fgraph.clients[back]:
        if isinstance(client, aesara.graph.basic.Apply) and isinstance(client.op, CONVOLUTIONS):
            inputs = list(client.inputs)
            inputs[place] = ControlDependency()(back, made)
            changed[client.outputs[0]] = client.op(*inputs)
    return changed


def is_norm(variable: Variable) -> bool:
    """Whether a variable is the output of a norm in the forward pass."""
    return bool(variable.owner) and isinstance(variable.owner.op, FusedInstanceNorm) and (
        not variable.owner.op.backward)  # fmt: skip


def is_joined(variable: Variable) -> bool:
    """Whether a variable is a concatenation."""
    return bool(variable.owner) and isinstance(variable.owner.op, aesara.tensor.basic.Join)


def holds_norm(variable: Variable) -> bool:
    """Whether a variable is the output of a norm, or a concatenation with one."""
    return is_norm(variable) or is_joined(variable) and any(map(holds_norm, variable.owner.inputs))


def again(variable: Variable, until: Variable) -> Variable:
    """The same value as the variable, with its norms recomputed after `until`."""
    if is_norm(variable):
        return RecomputedNorm(variable.owner.op.attributes)(until, *variable.owner.inputs)
    if is_joined(variable):
        axis, *parts = variable.owner.inputs
        return variable.owner.op(axis, *(again(part, until) for part in parts))
    return variable
