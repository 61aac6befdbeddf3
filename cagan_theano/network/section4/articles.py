"""A learned code of the articles as a condition of layers: "embedding of the articles" (section 4)."""

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.network.layers import ACTIVATIONS, Convolution, Parameters, Variable

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


class ArticleEncoder:
    """Articles -> their codes [N, M]: four layers of stride 2, then the mean over H and W.

    The layers have no norm, which would remove the article's colors from the mean.
    """

    def __init__(self, parameters: Parameters, config: Config, kernel: int) -> None:
        self.activation = ACTIVATIONS[config.activation]
        self.layers = [
            Convolution(parameters, f"article{n}", channels, width, kernel, bias=True)
            for n, (channels, width) in enumerate(zip((3, *config.code_widths), config.code_widths), start=1)
        ]

    def __call__(self, *articles: Variable) -> Variable | None:
        """The codes of articles [N, 3, H, W] in [-1, 1], side by side; None without layers."""
        if not self.layers:
            return None
        codes = []
        for y in articles:
            shape = (3, *y.type.shape[2:])
            for layer in self.layers:
                y, shape = self.activation(layer(y, shape)), layer.output_shape(shape)
            codes.append(y.mean(axis=(2, 3)))
        return at.concatenate(codes, axis=1)
