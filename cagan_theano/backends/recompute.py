"""Activations of the forward pass that are computed again for the gradients of kernels, not kept.

What a norm is given is kept for the norm's own gradient; what it makes, and what is joined to that,
is read once more by the gradient of the next layer's kernels alone.  To make it again costs a pass
over it and saves, with the order of work that goes with it, much of a step's temporary memory.
"""

from cagan_theano.compat import abstract_conv, aesara
from cagan_theano.network.layers import FusedInstanceNorm

LAST = 1000  # after all rewrites of Aesara
CONVOLUTIONS = abstract_conv.AbstractConv2d, abstract_conv.AbstractConv2d_gradInputs


class RecomputedNorm(aesara.graph.op.Op):
    """A FusedInstanceNorm (x[, gain, shift]) made again, not before `until` is known.

    attributes: the FusedInstanceNorm's.
    """

    __props__ = ("attributes",)

    def __init__(self, attributes):
        self.attributes = attributes

    def make_node(self, until, x, *affine):
        return aesara.graph.basic.Apply(self, [until, x, *affine], [x.type()])

    def perform(self, node, inputs, outputs):
        raise NotImplementedError("is for XLA alone")


class ControlDependency(aesara.graph.op.Op):
    """x, when `done` is there too."""

    __props__ = ()
    view_map = {0: [0]}

    def make_node(self, x, done):
        return aesara.graph.basic.Apply(self, [x, done], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0]


def recomputing(query):
    """An optimizer's query (aesara.graph.rewriting) that ends with `recompute`."""
    from aesara.graph.rewriting.basic import in2out, node_rewriter

    rewriter = node_rewriter([abstract_conv.AbstractConv2d_gradWeights])(recompute)
    return query.register((in2out(rewriter, ignore_newtrees=True), LAST))


def recompute(fgraph, node):
    """The gradient of a layer's kernels, its activation made again; then that of the layer's input.

    In this order what both read can go; XLA would leave the kernels' gradients for the end.
    """
    images, gradients, *shape = node.inputs
    if node.outputs[0].type.dtype != "float32":  # which alone the compiled functions know
        return False
    if holds_norm(images):  # of a convolution
        back, made = gradients, node.op(again(images, gradients), gradients, *shape)
    elif holds_norm(gradients):  # of a transposed one
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


def is_norm(variable) -> bool:
    """Whether this is a norm of the forward pass."""
    return bool(variable.owner) and isinstance(variable.owner.op, FusedInstanceNorm) and (
        not variable.owner.op.backward)  # fmt: skip


def is_joined(variable) -> bool:
    """Whether these are images joined."""
    return bool(variable.owner) and isinstance(variable.owner.op, aesara.tensor.basic.Join)


def holds_norm(variable) -> bool:
    """Whether this is a norm, or images joined of which one is."""
    return is_norm(variable) or is_joined(variable) and any(map(holds_norm, variable.owner.inputs))


def again(variable, until):
    """The same as the variable, its norms made again."""
    if is_norm(variable):
        return RecomputedNorm(variable.owner.op.attributes)(until, *variable.owner.inputs)
    if is_joined(variable):
        axis, *parts = variable.owner.inputs
        return variable.owner.op(axis, *(again(part, until) for part in parts))
    return variable
