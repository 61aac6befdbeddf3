"""The layer shared by G's encoder and D: convolution, norm, activation, copies of the inputs.

Also, not in the paper: the encoder of an article, whose code is a condition of these layers.
"""

from cagan_theano.compat import aesara
from cagan_theano.config import COPIED_CHANNELS, Config
from cagan_theano.network.layers import (
    Convolution,
    InstanceNorm,
    Parameters,
    Shape,
    Variable,
    join,
    leaky_relu,
    relu,
)

at = aesara.tensor


class EncoderLayer:
    """Convolution of stride 2 (or 1), norm, activation, then, if copied, copies as the last 6 channels.

    ``channels`` includes the copies in mode "replace" (as in Figure 3) and excludes them in mode
    "append".  ``coded``: numbers in the code from which the layer takes a gain and a shift after its
    norm; 0: none.
    """

    def __init__(
        self,
        parameters: Parameters,
        name: str,
        config: Config,
        in_channels: int,
        channels: int,
        kernel: int,
        norm: bool,
        copied: bool,
        norm_type: type[InstanceNorm] = InstanceNorm,
        stride: int = 2,
        coded: int = 0,
    ) -> None:
        self.copied, self.name = copied, name
        replaced = COPIED_CHANNELS if copied and config.copies_mode == "replace" else 0
        learned = channels - replaced
        self.convolution = Convolution(parameters, name, in_channels, learned, kernel, stride, bias=not norm)
        self.norm = (
            norm_type(parameters, name, learned, config.norm_epsilon, config.norm_affine) if norm else None
        )
        self.coded = coded > 0
        self.code: Variable = parameters.normal(f"{name}.code", (2 * learned, coded)) if coded else None
        self.activation = {"relu": relu, "leaky": leaky_relu}[config.activation]

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) -> (channels, H/stride, W/stride), copies included."""
        learned, height, width = self.convolution.output_shape(shape)
        return learned + COPIED_CHANNELS * self.copied, height, width

    def __call__(
        self, h: Variable, shape: Shape, copy: Variable | None = None, code: Variable | None = None
    ) -> Variable:
        """Apply to h of size `shape`, then, if copied, concatenate `copy` [N, 6, H/2, W/2].

        code: [N, ``coded``], if the layer takes one.

        The copies skip norm and activation: a ReLU would clip them, a norm would remove their colors.
        """
        h = self.convolution(h, shape)
        if self.norm is None:
            h = self.activation(h)
        elif not self.coded:
            h = self.norm(h, self.convolution.output_shape(shape), self.activation)
        else:
            h = self.norm(h, self.convolution.output_shape(shape))
            h = self.activation(self.conditioned(h, code))
        return join(h, copy) if self.copied else h

    def conditioned(self, h: Variable, code: Variable) -> Variable:
        """(1 + gain) h + shift, [N, C, H, W], with gain and shift [N, C] linear in code [N, M].

        As constant channels of the layer's input, a norm would remove the code.
        """
        gain_shift = at.dot(code, self.code.T).dimshuffle(0, 1, "x", "x")
        channels = self.convolution.channels
        return h + gain_shift[:, :channels] * h + gain_shift[:, channels:]


class ArticleEncoder:
    """y -> a code [N, M]: four layers of stride 2, then the mean over H and W.

    Not in the paper, whose section 4 plans an "embedding of the conditioning information (the articles
    y)".  The layers have no norm, which would remove the article's colors from the mean.
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
        return at.concatenate([self.code(y) for y in articles], axis=1)

    def code(self, y: Variable) -> Variable:
        """The code [N, M] of articles y."""
        shape = (3, *y.type.shape[2:])
        for layer in self.layers:
            y, shape = layer(y, shape), layer.output_shape(shape)
        return y.mean(axis=(2, 3))
