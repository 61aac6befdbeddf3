"""A learned code of the articles as a condition of layers: "embedding of the articles" (section 4)."""

from cagan_theano.compat import aesara
from cagan_theano.network.layers import Parameters, Variable

at = aesara.tensor


class Condition:
    """h -> (1 + gain) h + shift, with gain and shift [N, C] linear in a code [N, M].

    As constant channels of a layer's input, its norm would remove the code.
    """

    def __init__(self, parameters: Parameters, name: str, channels: int, numbers: int) -> None:
        self.channels = channels
        self.W = parameters.normal(f"{name}.code", (2 * channels, numbers))

    def __call__(self, h: Variable, code: Variable) -> Variable:
        """Apply to h [N, C, H, W]."""
        gain_shift = at.dot(code, self.W.T).dimshuffle(0, 1, "x", "x")
        return h + gain_shift[:, : self.channels] * h + gain_shift[:, self.channels :]
