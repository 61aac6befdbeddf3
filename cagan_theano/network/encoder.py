"""The layer that G's encoder and D share: convolution, norm, activation, copies of the inputs."""

from cagan_theano.config import COPIED_CHANNELS
from cagan_theano.network.layers import Convolution, InstanceNorm, Shape, join, leaky_relu, relu


class EncoderLayer:
    """Stride-2 convolution, norm, activation, then copies in the last 6 channels.

    ``channels`` counts the copies in mode "replace" (so that sizes are Figure 3's) and not in
    "append"; G's encoder and D are made of this layer.
    """

    def __init__(self, parameters, name, config, in_channels, channels, kernel, norm, copied):
        self.copied, self.name = copied, name
        replaced = COPIED_CHANNELS if copied and config.copies_mode == "replace" else 0
        learned = channels - replaced
        self.convolution = Convolution(parameters, name, in_channels, learned, kernel, bias=not norm)
        self.norm = (
            InstanceNorm(parameters, name, learned, config.norm_epsilon, config.norm_affine) if norm else None
        )
        self.activation = {"relu": relu, "leaky": leaky_relu}[config.activation]

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) -> (channels, H/2, W/2), copies included."""
        learned, height, width = self.convolution.output_shape(shape)
        return learned + COPIED_CHANNELS * self.copied, height, width

    def __call__(self, h, shape: Shape, copy):
        """Apply to h of size `shape`; `copy` [N, 6, H/2, W/2] joins after the activation.

        A ReLU before would clip the copies and a norm would erase their colors.
        """
        h = self.convolution(h, shape)
        if self.norm is None:
            h = self.activation(h)
        else:
            h = self.norm(h, self.convolution.output_shape(shape), self.activation)
        return join(h, copy) if self.copied else h
