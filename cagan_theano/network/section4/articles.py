"""The encoder of an article, whose code is a condition of G's encoder and of D (section 4)."""

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.network.encoder import EncoderLayer
from cagan_theano.network.layers import Parameters, Variable

at = aesara.tensor


class ArticleEncoder:
    """Articles -> their codes [N, M]: four layers of stride 2, then the mean over H and W.

    The layers have no norm, which would remove the article's colors from the mean.
    """

    def __init__(self, parameters: Parameters, config: Config, kernel: int) -> None:
        self.layers, channels = [], 3
        for n, width in enumerate(config.code_widths, start=1):
            layer = EncoderLayer(
                parameters, f"article{n}", config, channels, width, kernel, norm=False, copied=False
            )
            self.layers.append(layer)
            channels = width

    def __call__(self, *articles: Variable) -> Variable | None:
        """The codes of articles [N, 3, H, W] in [-1, 1], side by side; None without layers."""
        if not self.layers:
            return None
        codes = []
        for y in articles:
            shape = (3, *y.type.shape[2:])
            for layer in self.layers:
                y, shape = layer(y, shape), layer.output_shape(shape)
            codes.append(y.mean(axis=(2, 3)))
        return at.concatenate(codes, axis=1)
