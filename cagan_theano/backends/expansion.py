"""The rewrite that puts a FusedOp's inner graph in its place, for back ends without their own.

Aesara's rewrite for any OpFromGraph copies all that comes before it at every turn, which grows
without bounds in a network of many layers.
"""

from cagan_theano.compat import aesara
from cagan_theano.network.layers import FusedOp

FIRST = -0.01  # before all rewrites of Aesara


def inline_fused_ops(query):
    """An optimizer's query (aesara.graph.rewriting) that expands before it does anything else."""
    from aesara.graph.rewriting.basic import in2out, node_rewriter

    return query.register((in2out(node_rewriter([FusedOp])(expand)), FIRST))


def expand(fgraph, node) -> list:
    """What is to stand for the outputs of a FusedOp."""
    op = node.op
    standing_in = dict(zip(op.inner_inputs, node.inputs))
    made = aesara.graph.basic.clone_get_equiv(
        op.inner_inputs, op.inner_outputs, copy_inputs=False, copy_orphans=False, memo=standing_in
    )
    return [made[output] for output in op.inner_outputs]
