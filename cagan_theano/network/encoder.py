"""The layer shared by G's encoder and D: convolution, norm, activation, copies of the inputs."""

from cagan_theano.config import COPIED_CHANNELS, Config
from cagan_theano.network import layers
from cagan_theano.network.layers import ACTIVATIONS, Parameters, Shape, Variable, join
from cagan_theano.network.section4.articles import Condition


class EncoderLayer:
    """Convolution of stride 2, norm, activation, then, if copied, copies as the last 6 channels.

    ``channels`` includes the copies in mode "replace" (as in Figure 3) and excludes them in mode
    "append".  ``coded``: numbers in the articles' code on which the layer depends (section 4); 0: none.
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
        coded: int = 0,
    ) -> None:
        self.copied, self.name = copied, name
        replaced = COPIED_CHANNELS if copied and config.copies_mode == "replace" else 0
        learned = channels - replaced
        self.convolution = layers.Convolution(parameters, name, in_channels, learned, kernel, bias=not norm)
        settings = config.norm_epsilon, config.norm_affine
        self.norm = layers.InstanceNorm(parameters, name, learned, *settings) if norm else None
        self.condition = Condition(parameters, name, learned, coded) if coded else None
        self.activation = ACTIVATIONS[config.activation]

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) -> (channels, H/2, W/2), copies included."""
        learned, height, width = self.convolution.output_shape(shape)
        return learned + COPIED_CHANNELS * self.copied, height, width

    def __call__(
        self, h: Variable, shape: Shape, copy: Variable | None = None, code: Variable | None = None
    ) -> Variable:
        """Apply to h of size `shape`, then, if copied, concatenate `copy` [N, 6, H/2, W/2].

        The copies skip norm and activation: a ReLU would clip them, a norm would remove their colors.
        """
        h, shape = self.convolution(h, shape), self.convolution.output_shape(shape)
        if self.norm is None:
            h = self.activation(h)
        elif self.condition is None:
            h = self.norm(h, shape, self.activation)
        else:
            h = self.activation(self.condition(self.norm(h, shape), code))
        return join(h, copy) if self.copied else h
