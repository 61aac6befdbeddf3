"""The configuration: one frozen dataclass with every choice of the replication, stored in checkpoints.

Each field names its source in the paper, or says "not stated; our choice because ...".  A *reading*
is one interpretation of an ambiguous passage; the first of a field's ``choices`` is the default
reading, and ``docs/fidelity.md`` lists all of them.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from reprlib import repr as abridged
from typing import Any

DOWNSAMPLINGS = 4  # stride-2 layers of G: Figure 3; 2 ** 4 = 16 must divide both sides
D_LAYERS = (4, 3, 5)  # stride-2 layers of D; 4 in Figure 3
COPIED_CHANNELS = 6  # section 3.1: "the last 6 channels of any intermediate layer"
OURS = "not the paper's; ours: "  # prefix of the source of options that we add, all off by default
SECTION_4 = OURS + "after section 4"
AVERAGE = "average"  # prefix of moving averages among a checkpoint's optimizer arrays
NETWORKS = ("article_code", "texture_input")  # our options that change G or D
TRUTHS = ("gamma_truth", "gamma_region", "gamma_detail")  # weights that need true swaps

BEFORE = dict(g_kernel=5, copies_mode="replace", mismatch="same", d_head_stride=1, phases="free",
              dropout=0.0, weight_decay=0.0)  # fmt: skip
"""What a stored configuration means by having no such field, where the default is or may become another."""

RETIRED = dict(d_tail=0, d_norm="instance", g_output="deconvolution", skip_relu=False, mirror="together",
               crop_margin=0.0, d_noise=0.0, blend="both")  # fmt: skip
"""Options of version 1.0 that are gone, with the values that did nothing."""


def option(default: Any, help: str, source: str, choices: tuple = ()) -> Any:
    """A dataclass field with its help text, its source in the paper and its possible values."""
    return field(default=default, metadata={"help": help, "source": source, "choices": choices})


def choice(choices: tuple, help: str, source: str) -> Any:
    """An `option` whose default is the first of its possible values."""
    return option(choices[0], help, source, choices)


@dataclass(frozen=True)
class Config:
    """The paper's settings and our readings of what it leaves open.

    Raises ValueError, with the field's name, for a value outside its choices or range.
    """

    height: int = option(128, "height of the images in pixels, a multiple of 16", "section 3.1")
    width: int = option(96, "width of the images in pixels, a multiple of 16", "section 3.1")
    color: str = choice(("rgb", "lab"), "color space", "section 3.1: RGB; section 4: Lab")

    g_widths: tuple = option((64, 128, 256, 512), "channels of G's encoder, copies included", "Figure 3")
    g_kernel: int = choice(
        (5, 3, 4),
        "kernel size of G's layers",
        "not stated; our choice because it learns alpha faster than 3, and the authors' other code uses 5",
    )
    d_widths: tuple = option(
        (64, 128, 256, 512),
        "channels of D's layers, copies included; 3, 4 or 5 layers see 31x31, 63x63 or 127x127 pixels",
        "Figure 3; section 3.1: 4 layers",
    )
    d_kernel: int = choice(
        (3, 5, 4),
        "kernel size of D's layers; with its head of 3x3, 1x1 or 4x4, D sees 63x63, 61x61 or 94x94 pixels",
        "section 3.1: 63x63, which only 3 gives",
    )
    d_head_stride: int = choice(
        (1, 2),
        "stride of D's last layer, which makes the logits: 8x6 with 1, 4x3 with 2, at 128x96; both see 63x63",
        "section 3.1 has stride 2; our choice because Figure 3 draws a field of logits behind four layers",
    )
    activation: str = choice(
        ("relu", "leaky"),
        "hidden activations; leaky: leaky ReLU of slope 0.2 in the encoder and in D",
        "section 3.1: Relu in all layers",
    )
    norm_affine: bool = option(True, "instance norm learns a gain and a shift", "not stated; as in [4]")
    norm_epsilon: float = option(1e-5, "added to the variance in instance norm", "not stated; as in [4]")
    copies_g: str = choice(
        ("y_i", "y_j", "none"),
        "article copied into G's layers together with x_i; none: no copies in G",
        "section 3.1: copies of x_i, y_i",
    )
    copies_d: bool = option(True, "copy D's inputs x, y into its layers", "section 3.1: in both G and D")
    copies_mode: str = choice(
        ("replace", "append"),
        "replace: copies are the last 6 of a layer's channels; append: copies are 6 additional channels",
        "section 3.1: always the last 6 channels; Figure 3's sizes allow no more",
    )
    article_code: int = option(
        0,
        "numbers in a learned code of each article, a multiple of 8, a condition of G and D; 0: none",
        SECTION_4 + " (iii): embedding of the articles",
    )
    texture_input: bool = option(
        False,
        "G and D also take texture descriptors of the articles: responses to fixed Gabor filters",
        SECTION_4 + " (ii): texture descriptors",
    )
    dropout: float = option(
        0.0,
        "fraction of the values that training, not a swap, sets to 0 after each norm of G's decoder",
        "not stated; [4] has 0.5 there, also in swaps",
    )
    init_std: float = option(0.02, "standard deviation of initial weights", "not stated; as in [10]")
    phases: str = choice(
        ("free", "start", "tied"),
        "kernels of G's deconvolutions at the four output phases, the pixels made of one place: free; equal "
        "at the start (2x2 numbers, each repeated; needs --g-kernel 4); tied: of equal sums throughout, "
        "as a kernel smaller by one is convolved with a 2x2 box",
        "not stated (initial weights, form of the deconvolutions)",
    )

    gamma_i: float = option(0.1, "weight of L_id", "section 3.1")
    gamma_c: float = option(1.0, "weight of L_cyc", "section 3.1")
    adversarial: str = choice(
        ("standard", "literal"),
        "standard: log(1 - D) for fakes, G maximizes log D; literal: 1 - log D as Eq. 2 is written",
        "Eq. 2, which as written leaves D's loss unbounded",
    )
    field: str = choice(
        ("mean", "sum"),
        "reduction of D's logits over lambda, mu",
        "Eq. 2 has a sum; our default because a sum weighs 48 times more (12 for a stride-2 head)",
    )
    alpha_norm: str = choice(("l1", "tv"), "norm of alpha in L_id", "section 2.3: L1, or total variation")
    cycle_norm: str = choice(("l1", "l2"), "norm in L_cyc", "not stated in section 2.3; L1 as for alpha")
    mismatch: str = choice(
        ("same", "apart"),
        "article of the mismatched pair in Eq. 2: same: the fake's y_j; apart: sampled separately",
        "Eq. 2 has y_j in both",
    )
    mask: str = choice(
        ("none", "overwrite", "prior"),
        "use of a given segmentation mask: overwrite alpha, or prior for alpha",
        "section 3.1: none; section 4 mentions both uses",
    )
    mask_prior: float = option(0.9, "probability that a prior mask is right", "not stated; our choice")

    gamma_adv: float = option(
        1.0,
        "weight of G's adversarial term; 0: D is neither computed nor trained",
        OURS + "Eq. 1 has no weight here, that is 1",
    )
    gamma_truth: float = option(
        0.0, "weight of the mean |x_ij - true x_ij|; trains on true swaps", OURS + "renderings have them"
    )
    gamma_region: float = option(
        0.0,
        "weight of alpha's cross-entropy with the true region of both garments; trains on true swaps",
        OURS + "renderings have true masks",
    )
    gamma_texture: float = option(
        0.0,
        "weight of the difference between the textures of x_ij where alpha > 1/2 and of y_j's garment",
        SECTION_4 + " (ii): texture descriptors",
    )
    gamma_detail: float = option(
        0.0,
        "weight of the error of differences between neighbors, at scales 1, 2, 4; trains on true swaps",
        OURS + "for crisp edges and prints",
    )
    average: float = option(
        0.0,
        "decay of the moving average of G's weights that swaps then use, such as 0.999; 0: none",
        OURS + "less noisy than the last step's weights",
    )

    learning_rate: float = option(2e-4, "Adam's step size", "section 3.1")
    learning_rate_decay: float = option(
        0.0,
        "final fraction of the steps in which the step size decays linearly to 0; 0: constant",
        OURS + "helps fine-tuning",
    )
    beta1: float = option(0.5, "Adam's decay rate of the first moment", "section 3.1: settings of [10]")
    beta2: float = option(0.999, "Adam's decay rate of the second moment", "as in [6], [10]")
    epsilon: float = option(1e-8, "Adam's epsilon", "as in [6]")
    weight_decay: float = option(
        0.0,
        "this times each kernel is added to the kernel's gradient; 0: none",
        "not stated; the authors' other code has an L2 penalty of 1e-5 or less, which is 2e-5 here",
    )
    adam: str = choice(
        ("algorithm1", "theano"),
        "place of epsilon: as in algorithm 1 of [6], or added to the uncorrected moment as in Theano code",
        "section 3.1 cites [6]",
    )
    schedule: str = choice(
        ("both", "alternate"),
        "both: each minibatch trains D, then G; alternate: minibatches train D and G in turn",
        "section 3.1: 10000 gradient steps",
    )
    batch_size: int = option(16, "pairs in a minibatch", "section 3.1")
    steps: int = option(10000, "minibatches to train on", "section 3.1")
    augmentation: str = choice(
        ("none", "mirror", "crop", "mirror+crop", "tone", "mirror+tone", "crop+tone", "mirror+crop+tone"),
        "random changes of the training images; crop: shift by up to 1/16 of each side; tone (ours): gain of "
        "each channel, gamma and brightness, one for the images of the person and one for the articles",
        "none mentioned",
    )
    seed: int = option(0, "seed of the initial weights and of the minibatches", "not stated")

    def __post_init__(self):
        for name in ("g_widths", "d_widths"):
            value = getattr(self, name)
            if isinstance(value, list):  # from JSON
                object.__setattr__(self, name, tuple(value))
        for spec in dataclasses.fields(self):
            check_value(spec, getattr(self, spec.name))
        check_ranges(self)
        check_combinations(self)

    @property
    def needs_truth(self) -> bool:
        """Whether training samples the true swaps of the data."""
        return any(getattr(self, name) > 0 for name in TRUTHS)

    @property
    def takes_mask(self) -> bool:
        """Whether G takes the mask of the worn garment as an input (section 4)."""
        return self.mask != "none"

    @property
    def needs_masks(self) -> bool:
        """Whether training needs garment masks."""
        return self.takes_mask or self.gamma_region > 0

    @property
    def code_widths(self) -> tuple[int, ...]:
        """Channels of the layers that encode an article, which double as its size halves; () if none."""
        return tuple(self.article_code >> n for n in (3, 2, 1, 0)) if self.article_code else ()

    def ours(self) -> list[str]:
        """Names of the enabled options that are ours; [] for the paper's method."""
        names = [spec.name for spec in dataclasses.fields(self)
                 if spec.metadata["source"].startswith(OURS)
                 and getattr(self, spec.name) != spec.default]  # fmt: skip
        return names + ["augmentation"] * ("tone" in self.augmentation)

    def without_ours(self) -> "Config":
        """A copy with the defaults of our options, except those of the networks, so that weights fit."""
        return self.replace(**{name: getattr(Config(), name) for name in self.ours() if name not in NETWORKS})

    def for_swaps(self, height: int, width: int) -> "Config":
        """A copy for swaps at a size, which have no D: its options, and their limits, are the defaults."""
        fields = {spec.name: spec.default for spec in dataclasses.fields(self)}
        d_options = {name: value for name, value in fields.items() if name.startswith("d_")}
        return self.replace(height=height, width=width, **d_options)

    def to_json(self) -> str:
        """The configuration as JSON text, one key per field."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """The configuration from the text of `to_json`; ValueError for a bad value or an unknown field.

        A field that did not exist yet has the value of `BEFORE`, or else its default.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"configuration is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise ValueError("configuration is not a JSON object")
        for name in sorted(set(values) & set(RETIRED)):
            if (value := values.pop(name)) != RETIRED[name]:
                raise ValueError(f"{name}={abridged(value)}: this option is gone; use version 1.0")
        unknown = sorted(set(values) - {spec.name for spec in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(f"unknown configuration field {abridged(unknown[0])}")
        return cls(**{**BEFORE, **values})

    def replace(self, **changes) -> "Config":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def check_value(spec: dataclasses.Field, value: Any) -> None:
    """Raise ValueError unless a value has its field's type (an int serves as a float) and is a choice."""
    kinds: Any = (int, float) if spec.type is float else spec.type
    right = isinstance(value, kinds) and (spec.type is bool or not isinstance(value, bool))
    if not right or spec.type is tuple and not all(type(c) is int for c in value):
        raise ValueError(f"{spec.name}={abridged(value)}: must be of type {spec.type.__name__}")
    choices = spec.metadata["choices"]
    if choices and value not in choices:
        raise ValueError(f"{spec.name}={abridged(value)}: must be one of {', '.join(map(str, choices))}")


def check_ranges(config: Config) -> None:
    """Raise ValueError for numbers outside the range of their field."""
    for name, counts in {"g_widths": (DOWNSAMPLINGS,), "d_widths": D_LAYERS}.items():
        widths = getattr(config, name)
        if len(widths) not in counts or not all(
            COPIED_CHANNELS < c <= 8192 for c in widths
        ):  # room for copies
            words = f"{' or '.join(map(str, counts))} numbers in {COPIED_CHANNELS + 1}..8192"
            raise ValueError(f"{name}={abridged(widths)}: must be {words}")
    check_image_size(config.height, config.width, max(DOWNSAMPLINGS, len(config.d_widths)))
    bounds = {
        **dict.fromkeys(("gamma_i", "gamma_c", "gamma_adv", "gamma_texture", *TRUTHS), (0, 1e6)),
        **dict.fromkeys(("norm_epsilon", "dropout", "init_std", "average", "learning_rate", "beta1", "beta2",
                         "epsilon", "learning_rate_decay", "weight_decay"), (0, 1)),
        "mask_prior": (0.5, 1), "article_code": (0, 8192), "batch_size": (1, 65536), "steps": (1, 10**9),
        "seed": (0, 2**32 - 1),
    }  # fmt: skip
    for name, (low, high) in bounds.items():
        value = getattr(config, name)
        if not low <= value <= high:  # also rejects NaN
            raise ValueError(f"{name}={abridged(value)}: must be in {low}..{high}")
    for name, end in (("mask_prior", 0.5), ("mask_prior", 1), ("beta1", 1), ("beta2", 1),
                      ("average", 1), ("dropout", 1)):  # fmt: skip
        if getattr(config, name) == end:
            raise ValueError(f"{name}={end}: must be inside its range, not at the end of it")


def check_combinations(config: Config) -> None:
    """Raise ValueError for options that exclude each other."""
    smallest = min(config.height, config.width) // 2 ** len(config.d_widths)
    weights = ("gamma_i", "gamma_c", "gamma_adv", "gamma_texture", *TRUTHS)
    textures = [name for name in ("gamma_texture", "texture_input") if getattr(config, name)]
    faults = {
        f"article_code={config.article_code}: must be a multiple of 8": config.article_code % 8,
        f"{', '.join(textures)}: knows the white ground of articles in RGB only; use color='rgb'":
            textures and config.color != "rgb",
        f"phases='start': kernels of {config.g_kernel}x{config.g_kernel} have phases of unequal size; "
        "use g_kernel=4": config.phases == "start" and config.g_kernel != 4,
        # a head of 4x4 takes at least 2x2
        f"d_kernel={config.d_kernel}: D has no logit left on images of {config.height}x{config.width}; "
        "use larger images or fewer d_widths": config.d_kernel == 4 and smallest == 1,
        "gamma_adv=0: all other weights of G's loss are 0, too; set one of them":
            not any(getattr(config, name) for name in weights),
        "schedule='alternate': trains D in turn, but gamma_adv=0 has no D; use both":
            config.schedule == "alternate" and not config.gamma_adv,
        "gamma_region: trains alpha, but mask='overwrite' replaces alpha; use mask none or prior, or "
        "gamma_region=0": config.gamma_region and config.mask == "overwrite",
        f"augmentation={config.augmentation!r}: tone requires RGB; use color='rgb'":
            config.color != "rgb" and "tone" in config.augmentation,
    }  # fmt: skip
    for message, wrong in faults.items():
        if wrong:
            raise ValueError(message)


def check_image_size(height: int, width: int, halvings: int = DOWNSAMPLINGS) -> None:
    """Raise ValueError unless both sides can be halved `halvings` times: four times in G (Figure 3)."""
    multiple = 2**halvings
    for name, side in (("height", height), ("width", width)):
        if side % multiple or not multiple <= side <= 4096:
            raise ValueError(f"{name}={abridged(side)}: must be a multiple of {multiple} up to 4096")
