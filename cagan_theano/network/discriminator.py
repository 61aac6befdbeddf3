"""The discriminator D of section 3.1 and Figure 3: a map of logits, one for each patch."""

import numpy as np

from cagan_theano.config import Config
from cagan_theano.network.encoder import EncoderLayer
from cagan_theano.network.layers import Convolution, Parameters, Shape, Variable, copies, join
from cagan_theano.network.section4.articles import ArticleEncoder
from cagan_theano.network.section4.texture import DESCRIPTORS, descriptors

# kernel of the layers -> kernel of the head; receptive fields of 63x63, 61x61 and 94x94 pixels
HEAD_KERNEL = {3: 3, 5: 1, 4: 4}


class Discriminator:
    """D: x, y -> logits [N, 1, H/16, W/16] of "x wears y and looks like a photo".

    With 3 or 5 layers instead of Figure 3's 4, the logits are [N, 1, H/8, W/8] or [N, 1, H/32, W/32]; a
    head of stride 2 (config.d_head_stride) halves them.  A head of 4x4 with stride 1 cuts off a pixel.
    """

    def __init__(self, config: Config, rng: np.random.Generator | None, dtype: str = "float32") -> None:
        self.config = config
        self.params = Parameters(rng, config.init_std, dtype)
        self.layers: list[EncoderLayer] = []
        self.inputs = channels = 6 + DESCRIPTORS * config.texture_input
        for n, width in enumerate(config.d_widths, start=1):
            layer = EncoderLayer(
                self.params, f"layer{n}", config, channels, width, config.d_kernel,
                norm=n > 1, copied=config.copies_d, coded=config.article_code * (n > 1),
            )  # fmt: skip
            self.layers.append(layer)
            channels = layer.output_shape((channels, 2, 2))[0]
        kernel = HEAD_KERNEL[config.d_kernel]
        self.head = Convolution(self.params, "head", channels, 1, kernel, config.d_head_stride, bias=True)
        self.articles = ArticleEncoder(self.params, config, config.d_kernel)

    def shapes(self, height: int, width: int) -> list[tuple[str, Shape]]:
        """(name, (C, H, W)) of D's boxes in Figure 3, from input to logits, by `output_shape`."""
        boxes: list[tuple[str, Shape]] = [("x, y", (self.inputs, height, width))]
        for layer in self.layers:
            boxes.append((layer.name, layer.output_shape(boxes[-1][1])))
        return [*boxes, ("logits", self.head.output_shape(boxes[-1][1]))]

    def receptive_field(self) -> int:
        """Side in pixels of one logit's square receptive field: 63 in section 3.1.

        With config.article_code, a logit also depends on the code of the whole y, and with
        config.texture_input on 6 more pixels of y on each side.
        """
        side, jump = 1, 1
        for convolution in [*(layer.convolution for layer in self.layers), self.head]:
            side += (convolution.kernel - 1) * jump
            jump *= convolution.stride
        return side

    def __call__(self, x: Variable, y: Variable) -> Variable:
        """Logits for photos of people x and articles y, both [N, 3, H, W] in [-1, 1]."""
        height, width = x.type.shape[2:]
        shape = (self.inputs, height, width)
        given = [x, y, descriptors(y, (3, height, width))] if self.config.texture_input else [x, y]
        h, code = join(*given), self.articles(y)
        for layer, copy in zip(self.layers, copies(x, y, shape, len(self.layers))):
            h, shape = layer(h, shape, copy, code), layer.output_shape(shape)
        return self.head(h, shape)
