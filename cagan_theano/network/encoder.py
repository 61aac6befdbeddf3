"""The layer shared by G's encoder and D: convolution, norm, activation, copies of the inputs."""

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


class EncoderLayer:
    """Convolution of stride 2 (or 1), norm, activation, then, if copied, copies as the last 6 channels.

    ``channels`` includes the copies in mode "replace" (as in Figure 3) and excludes them in mode
    "append".
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
    ) -> None:
        self.copied, self.name = copied, name
        replaced = COPIED_CHANNELS if copied and config.copies_mode == "replace" else 0
        learned = channels - replaced
        self.convolution = Convolution(parameters, name, in_channels, learned, kernel, stride, bias=not norm)
        self.norm = (
            norm_type(parameters, name, learned, config.norm_epsilon, config.norm_affine) if norm else None
        )
        self.activation = {"relu": relu, "leaky": leaky_relu}[config.activation]

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) -> (channels, H/stride, W/stride), copies included."""
        learned, height, width = self.convolution.output_shape(shape)
        return learned + COPIED_CHANNELS * self.copied, height, width

    def __call__(self, h: Variable, shape: Shape, copy: Variable | None = None) -> Variable:
        """Apply to h of size `shape`, then, if copied, concatenate `copy` [N, 6, H/2, W/2].

        The copies skip norm and activation: a ReLU would clip them, a norm would remove their colors.
        """
        h = self.convolution(h, shape)
        if self.norm is None:
            h = self.activation(h)
        else:
            h = self.norm(h, self.convolution.output_shape(shape), self.activation)
        return join(h, copy) if self.copied else h
