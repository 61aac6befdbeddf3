"""The rewrite that inlines a FusedOp's inner graph, for back ends without a kernel for it.

Aesara's own rewrite of OpFromGraph copies the whole graph upstream each time it is applied, and its
cost explodes with the number of layers.
"""

from typing import Any

from cagan_theano.compat import aesara
from cagan_theano.network.fused import FusedOp
from cagan_theano.network.layers import Variable

FIRST = -0.01  # position before all rewrites of Aesara


def inline_fused_ops(query: Any) -> Any:
    """A rewrite database query (aesara.graph.rewriting) extended to inline every FusedOp first."""
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
