"""Public re-implementations of CAGAN as configurations (docs/reimplementations.md).

A preset sets the options in which a re-implementation departs from our defaults, as far as options
express it, and names the rest.  Read from their code, which was not run.  The image size is that of
the data.
"""

from typing import NamedTuple

from cagan_theano.config import Config


class Preset(NamedTuple):
    """Where the settings were read, the changed fields of `Config`, and what no option expresses."""

    source: str
    changes: dict
    missing: tuple[str, ...]

    def config(self, **changes) -> Config:
        """The configuration of the preset with further changes."""
        return Config(**{**self.changes, **changes})


KERAS = "no bias in the output layers; norm's epsilon beside the deviation"
KERAS_D = dict(d_kernel=4, d_tail=512, copies_d=False)
BATCH = dict(d_norm="batch")
KERAS_G = dict(g_kernel=4, g_output="convolution", skip_relu=True, activation="leaky", copies_mode="append")
FLIPS = dict(augmentation="mirror", mirror="apart")
SHAOANLU = {**KERAS_G, **KERAS_D, **BATCH, **FLIPS, "d_widths": (64, 128, 256), "adam": "theano"}

PRESETS = {
    "shaoanlu": Preset(
        "shaoanlu/Conditional-Analogy-GAN-keras, CAGAN.ipynb (Keras, 2017)",
        {**SHAOANLU, "crop_margin": 0.15625, "steps": 5000},  # 128x96 to 148x111
        (KERAS,),
    ),
    "chen-mingyie": Preset(
        "chen-mingyie/FashionAI, app/business/CAGAN.ipynb (Keras, 2020)",
        {**KERAS_G, **KERAS_D, **BATCH, **FLIPS, "blend": "second", "adam": "theano", "steps": 50000},
        ("D's layers of stride 1 keep the size (8x6 logits instead of 6x4)", KERAS),
    ),
    "pkglimmer": Preset(
        "pkglimmer/Conditional-Analogy-GAN (PyTorch, 2021)",
        {
            **KERAS_G, **KERAS_D, "d_widths": (64, 128, 256), "batch_size": 64,
            "steps": 11000, "learning_rate_decay": 0.2, "d_noise": 0.05,
        },
        (
            "kernels of 4x3 in G's encoder",
            "no gain and shift in G's norms",
            "one fixed y_j for each pair",
        ),
    ),
    "b01902041": Preset(
        "b01902041/Deep-Virtual-Try-on-with-Clothes-Transform, step1 (Keras, 2021)",
        {**SHAOANLU, "steps": 500000},
        ("images of 256x256, unless the data has them", KERAS),
    ),
    "xthan": Preset(
        "xthan/VITON, baselines/baseline_cagan.py at 5683643 (TensorFlow, 2018)",
        dict(
            g_kernel=4, d_kernel=4, d_norm="batch", activation="leaky", skip_relu=True, copies_g="none",
            copies_d=False, blend="first", adam="theano", steps=1000000,
        ),
        (
            "a fifth layer of 512 channels in G",
            "batch norm in G",
            "images of 256x192, unless the data has them",
            "y_j: the minibatch in reverse order",
        ),
    ),
    "zebincai": Preset(
        "zebincai/imaginaire, CAGAN.md (PyTorch, 2021)",
        dict(
            g_kernel=3, activation="leaky", copies_g="y_j", copies_mode="append", copies_d=False, gamma_i=0.0,
            batch_size=32, steps=200000, crop_margin=0.078125, **FLIPS,  # 128 to 138
        ),
        (
            "alpha without a sigmoid",
            "G's term -log D(cycle image, y_i)",
            "bilinear enlargement and a 3x3 convolution for each deconvolution",
            "leaky ReLU in the decoder",
            "orthogonal initial weights",
            "noise of a learned scale in D; D's head without padding",
            "photos enlarged by 5 % instead of 8 % in width",
        ),
    ),
}  # fmt: skip
"""Name -> `Preset`, after the repository's owner."""
