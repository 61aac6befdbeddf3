"""The generator G of section 2.3 and Figure 3: encoder-decoder with skips, matting and copies."""

from typing import NamedTuple

import numpy as np

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.network import layers
from cagan_theano.network.encoder import EncoderLayer
from cagan_theano.network.layers import Parameters, Shape, Variable, join
from cagan_theano.network.section4.articles import ArticleEncoder
from cagan_theano.network.section4.masks import matting
from cagan_theano.network.section4.texture import DESCRIPTORS, descriptors

at = aesara.tensor


class Generated(NamedTuple):
    """G's symbolic outputs: alpha [N, 1, H, W] in [0, 1]; x_tilde_ij and x_ij [N, 3, H, W] in [-1, 1]."""

    alpha: Variable
    x_tilde_ij: Variable
    x_ij: Variable


class DecoderLayer:
    """Stride-1/2 deconvolution, norm, activation, then the encoder's skip connection (Figure 3).

    The skip is concatenated last, so the last 6 channels are the copies that it carries.
    """

    def __init__(
        self, parameters: Parameters, name: str, config: Config, in_channels: int, channels: int
    ) -> None:
        self.name = name
        self.deconvolution = layers.Deconvolution(
            parameters, name, in_channels, channels, config.g_kernel, phases=config.phases
        )
        self.norm = layers.InstanceNorm(parameters, name, channels, config.norm_epsilon, config.norm_affine)
        self.dropout = config.dropout

    def output_shape(self, shape: Shape, skip: Shape) -> Shape:
        """(C, H, W) and the skip's (K, 2H, 2W) -> (channels + K, 2H, 2W)."""
        channels, height, width = self.deconvolution.output_shape(shape)
        return channels + skip[0], height, width

    def __call__(self, h: Variable, shape: Shape, skip: Variable, seeds: Variable | None = None) -> Variable:
        """Apply to h of size `shape`, then concatenate `skip`.

        seeds: uint32 [N], of the values that dropout keeps; None: no dropout.
        """
        h = self.deconvolution(h, shape)
        shape = self.deconvolution.output_shape(shape)
        h = self.norm(h, shape, layers.relu)
        if seeds is not None:  # a ReLU before or after it makes no difference
            h = h * layers.sample_kept(seeds, shape, self.dropout).astype(h.dtype)
        return join(h, skip)


class Generator:
    """G: x_i, y_i, y_j -> [alpha, x_tilde_ij] -> x_ij = alpha x_tilde_ij + (1 - alpha) x_i."""

    def __init__(self, config: Config, rng: np.random.Generator | None, dtype: str = "float32") -> None:
        self.config = config
        self.params = Parameters(rng, config.init_std, dtype)
        self.encoder: list[EncoderLayer] = []
        self.decoder: list[DecoderLayer] = []
        self.inputs = 9 + 2 * DESCRIPTORS * config.texture_input
        widths, channels = [], self.inputs
        for n, width in enumerate(config.g_widths, start=1):
            layer = EncoderLayer(
                self.params, f"encoder{n}", config, channels, width, config.g_kernel,
                norm=n > 1, copied=config.copies_g != "none", coded=2 * config.article_code * (n > 1),
            )  # fmt: skip
            channels = layer.output_shape((channels, 16, 16))[0]
            self.encoder.append(layer)
            widths.append(channels)
        for n, (width, skip) in enumerate(zip(config.g_widths[-2::-1], widths[-2::-1]), start=1):
            self.decoder.append(DecoderLayer(self.params, f"decoder{n}", config, channels, width))
            channels = width + skip
        self.output = layers.Deconvolution(
            self.params, "output", channels, 4, config.g_kernel, bias=True, phases=config.phases
        )
        self.articles = ArticleEncoder(self.params, config, config.g_kernel)

    def shapes(self, height: int, width: int) -> list[tuple[str, Shape]]:
        """(name, (C, H, W)) of G's boxes in Figure 3, from input to [alpha, R, G, B], by `output_shape`."""
        boxes: list[tuple[str, Shape]] = [("x_i, y_i, y_j", (self.inputs, height, width))]
        for layer in self.encoder:
            boxes.append((layer.name, layer.output_shape(boxes[-1][1])))
        skips = [shape for _, shape in boxes[1:-1]]
        for decoder in self.decoder:
            boxes.append((decoder.name, decoder.output_shape(boxes[-1][1], skips.pop())))
        return [*boxes, ("alpha, R, G, B", self.output.output_shape(boxes[-1][1]))]

    def __call__(
        self,
        x_i: Variable,
        y_i: Variable,
        y_j: Variable,
        m_i: Variable | None = None,
        seeds: Variable | None = None,
    ) -> Generated:
        """Swap y_i for y_j on x_i, all [N, 3, H, W] in [-1, 1].

        m_i [N, 1, H, W] in [0, 1]: segmentation of the worn article, used according to config.mask.
        seeds: uint32 [N], of dropout in training; None: no dropout.
        """
        return self.blend(x_i, self.channels(x_i, y_i, y_j, seeds), m_i)

    def blend(self, x_i: Variable, output: Variable, m_i: Variable | None = None) -> Generated:
        """Blend x_i with the 4 output channels, which are given before sigmoid and tanh."""
        alpha = matting(logit_of(output), m_i, self.config)
        x_tilde_ij = at.tanh(output[:, 1:4])
        return Generated(alpha, x_tilde_ij, alpha * x_tilde_ij + (1 - alpha) * x_i)

    def channels(
        self, x_i: Variable, y_i: Variable, y_j: Variable, seeds: Variable | None = None
    ) -> Variable:
        """The 4 output channels [alpha, R, G, B] before sigmoid and tanh (Figure 3)."""
        height, width = x_i.type.shape[2:]
        shape = (self.inputs, height, width)
        worn = {"y_i": y_i, "y_j": y_j, "none": y_i}[self.config.copies_g]
        pyramid = layers.copies(x_i, worn, shape, len(self.encoder))
        given = [x_i, y_i, y_j]
        if self.config.texture_input:
            given += [descriptors(y, (3, height, width)) for y in (y_i, y_j)]
        h, skips, code = join(*given), [], self.articles(y_i, y_j)
        for layer, copy in zip(self.encoder, pyramid):
            h, shape = layer(h, shape, copy, code), layer.output_shape(shape)
            skips.append((h, shape))
        skips.pop()
        for n, decoder in enumerate(self.decoder):
            skip, skip_shape = skips.pop()
            own = None if seeds is None else seeds + np.asarray(n, "uint32")
            h, shape = decoder(h, shape, skip, own), decoder.output_shape(shape, skip_shape)
        return self.output(h, shape)


def logit_of(output: Variable) -> Variable:
    """alpha's logit [N, 1, H, W], before any mask, from the output channels [N, 4, H, W]."""
    # the slice [:, :1] is not broadcastable along axis 1, and its gradient under JAX has a wrong shape
    return output[:, 0].dimshuffle(0, "x", 1, 2)
