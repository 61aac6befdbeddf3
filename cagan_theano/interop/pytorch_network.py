"""G, D, losses and updates in PyTorch: a reference for comparison and a base for further work.

    from cagan_theano.interop.pytorch_network import Trainer, load
    trainer = Trainer(load("checkpoints/cagan_128x96.h5"))
    losses = trainer.step(x_i, y_i, y_j)

From the same checkpoint it reproduces `cagan_theano` (`tests/interop/test_pytorch_network.py`).  Parameters
have their checkpoint names, so ``G.state_dict()`` is the checkpoint's group G.  PyTorch is optional;
Aesara and JAX are not needed.  The only difference is at a pre-activation of exactly 0, where
Aesara's max(x, 0) has gradient 1.
"""

import math
from typing import NamedTuple

try:
    import torch
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError("PyTorch is not installed; python -m pip install torch") from missing
from torch import nn
from torch.nn import functional as F

from cagan_theano.checkpoint import Checkpoint, load_checkpoint
from cagan_theano.config import COPIED_CHANNELS, NETWORKS, Config
from cagan_theano.io.files import naming

HEAD_KERNEL = {3: 3, 5: 1, 4: 4}  # kernel of D -> kernel of its head: 63x63, 61x61, 94x94 pixels


class Generated(NamedTuple):
    """alpha [N, 1, H, W] in [0, 1]; x_tilde_ij and x_ij [N, 3, H, W] in [-1, 1]."""

    alpha: torch.Tensor
    x_tilde_ij: torch.Tensor
    x_ij: torch.Tensor


class Layer(nn.Module):
    """Convolution or transposed convolution with a bias or an instance norm; parameters W, b, gain, shift.

    W: [K, C, kernel, kernel], transposed [C, K, kernel, kernel].  Stride 2 halves H and W
    (transposed: doubles them), stride 1 keeps them, but an even kernel cuts off one pixel.
    Section 3.1.
    """

    def __init__(self, config, in_channels, channels, kernel, stride=2, transposed=False, norm=True):
        super().__init__()
        self.stride, self.transposed, self.padding = stride, transposed, (kernel - 1) // 2
        self.channels, self.epsilon = channels, config.norm_epsilon if norm else None
        ends = (in_channels, channels) if transposed else (channels, in_channels)
        self.tied = transposed and config.phases == "tied"
        self.W = nn.Parameter(torch.randn(*ends, *2 * [kernel - self.tied]) * config.init_std)
        if transposed and config.phases == "start":
            self.W.data[:] = self.W.data[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
        affine = norm and config.norm_affine
        self.b = None if norm else nn.Parameter(torch.zeros(channels))
        self.gain = nn.Parameter(1 + torch.randn(channels) * config.init_std) if affine else None
        self.shift = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, h):
        """[N, C, H, W] -> [N, K, H', W'], before the activation."""
        if self.transposed:
            W = self.W
            if self.tied:  # the full convolution of each kernel with a 2x2 box
                W = 2 * F.avg_pool2d(F.pad(W, (1,) * 4), 2, stride=1)
            extra = 2 + 2 * self.padding - W.shape[-1]  # so that H and W double
            h = F.conv_transpose2d(h, W, self.b, self.stride, self.padding, extra)
        else:
            h = F.conv2d(h, self.W, self.b, self.stride, self.padding)
        if self.epsilon is None:
            return h
        # one group per channel is instance norm, with PyTorch's fastest kernel for it on a CPU
        return F.group_norm(h, self.channels, self.gain, self.shift, self.epsilon)


def encoder_layers(config, in_channels, widths, kernel, copied):
    """The stride-2 layers of G's encoder or of D, and their output channels, copies included."""
    layers, boxes = [], []
    replaced = COPIED_CHANNELS if copied and config.copies_mode == "replace" else 0
    for n, width in enumerate(widths):
        layers.append(Layer(config, in_channels, width - replaced, kernel, norm=n > 0))
        in_channels = width - replaced + COPIED_CHANNELS * copied
        boxes.append(in_channels)
    return layers, boxes


def encode(layers, h, pair, config):
    """Outputs of stride-2 layers on h, each with copies of `pair` [N, 6, H, W] unless None."""
    boxes = []
    for layer in layers:
        h = layer(h)
        h = F.relu(h) if config.activation == "relu" else F.leaky_relu(h, 0.2)
        if pair is not None:
            pair = F.avg_pool2d(pair, 2)
            h = torch.cat([h, pair], 1)
        boxes.append(h)
    return boxes


class Generator(nn.Module):
    """G: x_i, y_i, y_j [, m_i] -> `Generated` (section 2.3, Figure 3)."""

    def __init__(self, config: Config):
        super().__init__()
        self.config, kernel = config, config.g_kernel
        copied = config.copies_g != "none"
        encoder, boxes = encoder_layers(config, 9, config.g_widths, kernel, copied)
        channels, decoder = boxes[-1], []
        for width, skip in zip(config.g_widths[-2::-1], boxes[-2::-1]):
            decoder.append(Layer(config, channels, width, kernel, transposed=True))
            channels = width + skip
        self.encoder, self.decoder = named(self, "encoder", encoder), named(self, "decoder", decoder)
        self.output = Layer(config, channels, 4, kernel, transposed=True, norm=False)

    def forward(self, x_i, y_i, y_j, m_i=None) -> Generated:
        """Swap y_i for y_j on x_i, all [N, 3, H, W] in [-1, 1]; m_i [N, 1, H, W] in [0, 1]."""
        worn = {"y_i": y_i, "y_j": y_j, "none": None}[self.config.copies_g]
        pair = None if worn is None else torch.cat([x_i, worn], 1)
        *skips, h = encode(self.encoder, torch.cat([x_i, y_i, y_j], 1), pair, self.config)
        for layer in self.decoder:
            h = torch.cat([F.relu(layer(h)), skips.pop()], 1)
        output = self.output(h).to(x_i.dtype)  # autocast may have made it bfloat16
        alpha = matting(output[:, :1], m_i, self.config)
        x_tilde_ij = torch.tanh(output[:, 1:])
        return Generated(alpha, x_tilde_ij, torch.lerp(x_i, x_tilde_ij, alpha))


class Discriminator(nn.Module):
    """D: x, y -> logits [N, 1, H/16, W/16] (section 3.1, Figure 3)."""

    def __init__(self, config: Config):
        super().__init__()
        self.config, kernel = config, config.d_kernel
        layers, boxes = encoder_layers(config, 6, config.d_widths, kernel, config.copies_d)
        self.layers = named(self, "layer", layers)
        self.head = Layer(config, boxes[-1], 1, HEAD_KERNEL[kernel], config.d_head_stride, norm=False)

    def forward(self, x, y):
        """Logits of human photos x and articles y, both [N, 3, H, W] in [-1, 1]."""
        pair = torch.cat([x, y], 1)
        return self.head(encode(self.layers, pair, pair if self.config.copies_d else None, self.config)[-1])


def named(module, prefix, layers):
    """Register layers as prefix1, prefix2 ..., as a checkpoint names them; returns them."""
    for n, layer in enumerate(layers, start=1):
        module.add_module(f"{prefix}{n}", layer)
    return tuple(layers)


def matting(logit, m_i, config):
    """alpha from its logit and, with config.mask, a segmentation m_i (section 4)."""
    if config.mask == "none":
        return torch.sigmoid(logit)
    if m_i is None:
        raise ValueError(f"mask={config.mask!r} needs a segmentation mask of every photo")
    if config.mask == "overwrite":
        return m_i
    log_odds = math.log(config.mask_prior / (1 - config.mask_prior))
    return torch.sigmoid(logit + log_odds * (2 * m_i - 1))


# --- losses: Equations 1 and 2, from logits ----------------------------------


def reduce_patches(values, config):
    """Reduce [N, 1, H', W'] over lambda, mu by config.field and average over the minibatch."""
    return values.sum((1, 2, 3)).mean() if config.field == "sum" else values.mean()


def losses_of_D(D, x_i, x_ij, y_i, y_j, y_k):
    """The terms of D's loss and loss_D, their sum; D takes its inputs as one batch.

    D maximizes log(1 - D) on a negative pair, or 1 - log D as Eq. 2 is written.
    """
    config = D.config
    real, fake, mismatch = D(torch.cat([x_i, x_ij, x_i]), torch.cat([y_i, y_j, y_k])).chunk(3)

    def negative(logits):
        literal = config.adversarial == "literal"
        return -reduce_patches(1 - F.logsigmoid(logits) if literal else F.logsigmoid(-logits), config)

    losses = {
        "adv_D_real": -reduce_patches(F.logsigmoid(real), config),
        "adv_D_fake": negative(fake),
        "adv_D_mismatch": negative(mismatch),
    }
    return losses | {"loss_D": sum(losses.values())}


def losses_of_G(G, D, generated, x_i, y_i, y_j, m_i=None):
    """The terms of Eq. 1 for the output of G on x_i, y_i, y_j, and loss_G, their weighted sum."""
    config, alpha = G.config, generated.alpha
    cycled = G(generated.x_ij, y_j, y_i, m_i).x_ij
    log_d = F.logsigmoid(D(generated.x_ij, y_j))
    adv_G = reduce_patches(1 - log_d if config.adversarial == "literal" else -log_d, config)
    if config.alpha_norm == "l1":
        L_id = alpha.abs().mean()
    else:  # total variation
        L_id = alpha.diff(dim=2).abs().mean() + alpha.diff(dim=3).abs().mean()
    L_cyc = F.mse_loss(cycled, x_i) if config.cycle_norm == "l2" else F.l1_loss(cycled, x_i)
    loss_G = adv_G + config.gamma_i * L_id + config.gamma_c * L_cyc
    return {"adv_G": adv_G, "L_id": L_id, "L_cyc": L_cyc, "loss_G": loss_G}


# --- updates -----------------------------------------------------------------


class Networks(NamedTuple):
    """G and D with the same configuration."""

    G: Generator
    D: Discriminator


def build_networks(config: Config, seed: int | None = None) -> Networks:
    """G and D with random initial weights; seed defaults to config.seed.

    The weights have the same distribution as in `cagan_theano`, but not the same values.  Raises
    ValueError for networks that are not the paper's (section 4).
    """
    if unknown := [name for name in NETWORKS if getattr(config, name)]:
        raise ValueError(f"{unknown[0]}: the PyTorch reference has the paper's networks only")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed if seed is None else seed)
        return Networks(Generator(config), Discriminator(config))


class Trainer:
    """G, D, their optimizers and the step of `cagan_theano.method.updates.compile_functions`.

    networks: moved to `device` and `dtype` in place.  channels_last: memory format of the weights.
    compiled: a mode of torch.compile such as "default"; None: eager.
    """

    def __init__(self, networks, device="cpu", dtype=torch.float32, channels_last=False, compiled=None):
        self.G, self.D = networks
        self.config = config = self.G.config
        if config.dropout:
            raise ValueError(f"dropout={config.dropout}: is not implemented here; use dropout=0")
        layout = torch.channels_last if channels_last else torch.contiguous_format
        for network in networks:
            network.to(device=device, dtype=dtype).to(memory_format=layout)
        betas = config.beta1, config.beta2
        self.optimizers = {}
        for name, network in networks._asdict().items():
            parameters = network.state_dict(keep_vars=True)
            groups = [  # only kernels decay
                {
                    "params": [p for n, p in parameters.items() if n.endswith("W") == kernel],
                    "weight_decay": decay,
                }
                for kernel, decay in ((True, config.weight_decay), (False, 0))
            ]
            self.optimizers[name] = torch.optim.Adam(
                groups, config.learning_rate, betas, config.epsilon, fused=True
            )
        self.steps = dict.fromkeys(networks._fields, 0)
        whole = (lambda f: f) if compiled is None else lambda f: torch.compile(f, mode=compiled)
        self.generate = whole(self.G)
        self.losses_of_D = whole(lambda *a: losses_of_D(self.D, *a))
        self.losses_of_G = whole(lambda *a: losses_of_G(self.G, self.D, *a))

    def step(self, x_i, y_i, y_j, y_k=None, m_i=None) -> dict:
        """Update D, then G with the new D, on one minibatch; x_ij is generated once for both.

        Images [N, 3, H, W] in [-1, 1]; y_k: article of the mismatched pair, y_j by default.
        Returns the losses before the updates: name -> scalar tensor on the device.
        """
        generated = self.generate(x_i, y_i, y_j, m_i)
        losses = self.losses_of_D(x_i, generated.x_ij.detach(), y_i, y_j, y_j if y_k is None else y_k)
        self._descend("D", losses["loss_D"])
        self.D.requires_grad_(False)  # D's gradients would be discarded
        losses |= self.losses_of_G(generated, x_i, y_i, y_j, m_i)
        self._descend("G", losses["loss_G"])
        self.D.requires_grad_(True)
        return {name: loss.detach() for name, loss in losses.items()}

    def _descend(self, name, loss):
        """One step of a network's optimizer on a loss."""
        adam = self.optimizers[name]
        adam.zero_grad(set_to_none=True)
        loss.backward()
        self.steps[name] += 1
        if self.config.adam == "theano":  # epsilon is added to the uncorrected moment
            correction = math.sqrt(1 - self.config.beta2 ** self.steps[name])
            for group in adam.param_groups:
                group["eps"] = self.config.epsilon / correction
        adam.step()


def images(pixels, like):
    """uint8 [N, H, W, C] -> [N, C, H, W] in [-1, 1] with the dtype and device of a parameter.

    The strides are kept, so that the result is channels-last without a copy.
    """
    return (pixels.to(like.device).to(like.dtype) / 127.5 - 1).permute(0, 3, 1, 2)


# --- checkpoints -------------------------------------------------------------


def load(path) -> Networks:
    """G, with its moving average if there is one, and D of a checkpoint, in float32 on the CPU.

    Raises FileNotFoundError or ValueError like `cagan_theano.checkpoint.load_checkpoint`, and
    ValueError if the weights do not fit the configuration.
    """
    checkpoint = load_checkpoint(path)
    with torch.device("meta"):  # shapes only: a small file can ask for gigabytes
        networks = build_networks(checkpoint.config)
    with naming(path):
        for network, values in zip(networks, (checkpoint.swapping_G(), checkpoint.D)):
            set_weights(network, values)
    return networks


def set_weights(network, weights) -> None:
    """Set the weights of G or D, parameter name -> array; ValueError for other names or shapes."""
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    wrong = set(shapes.items()) ^ {(name, value.shape) for name, value in weights.items()}
    if wrong:
        raise ValueError(
            f"parameter {min(wrong)[0]} does not fit this architecture; use the "
            "configuration that the weights were trained with"
        )
    network.load_state_dict({name: torch.tensor(weights[name]) for name in shapes}, assign=True)


def weights_of(network) -> dict:
    """Copies of the weights of G or D: parameter name -> array, with the names of a checkpoint."""
    return {
        name: value.detach().cpu().contiguous().numpy().copy() for name, value in network.state_dict().items()
    }


def checkpoint_of(networks, step=0) -> Checkpoint:
    """A `Checkpoint` for `cagan_theano.save_checkpoint`, with weights only."""
    G, D = networks
    about = {"program": "cagan_theano.interop.pytorch_network"}
    return Checkpoint(G.config, step, weights_of(G), weights_of(D), metadata=about)


# --- golden vectors ----------------------------------------------------------


class Adapter:
    """The protocol of `docs/evaluation.md`, as an example of an adapter; arrays in and out.

        cagan compare --golden cagan_theano.interop.pytorch_network:Adapter

    config: settings by name; weights: "G/encoder1.W" -> array; settings: of the `Trainer`.
    """

    def __init__(self, config: dict, weights: dict, dtype=torch.float64, **settings):
        self.dtype, self.networks, self.seen = dtype, build_networks(Config(**config)), {}
        for network_name, network in self.networks._asdict().items():
            set_weights(network, {name: weights[f"{network_name}/{name}"] for name in network.state_dict()})
            for name, layer in network.named_children():  # its output is that of its norm if it has one
                kind = "norm" if layer.epsilon else "deconvolution" if layer.transposed else "convolution"
                name = name if name in ("output", "head") else f"{name}.{kind}"
                layer.register_forward_hook(
                    lambda _, _inputs, output, name=name: self.seen.update({name: output})
                )
        self.trainer = Trainer(self.networks, dtype=dtype, **settings)

    def generate(self, x_i, y_i, y_j, m_i=None):
        """The layers of G and its outputs."""
        self.seen = {}
        generated = self.networks.G(*self._tensors(x_i, y_i, y_j, m_i))
        return arrays_of(self.seen | generated._asdict())

    def discriminate(self, x, y):
        """The layers of D; the last, "head", has the logits."""
        self.seen = {}
        self.networks.D(*self._tensors(x, y))
        return arrays_of(self.seen)

    def losses(self, x_i, y_i, y_j, y_k=None, m_i=None):
        """All terms and both losses."""
        return arrays_of(self._losses(x_i, y_i, y_j, y_k, m_i))

    def gradients(self, x_i, y_i, y_j, y_k=None, m_i=None):
        """Gradients of loss_D for D's parameters and of loss_G for G's."""
        losses, found = self._losses(x_i, y_i, y_j, y_k, m_i), {}
        for name, network in self.networks._asdict().items():
            parameters = dict(network.named_parameters())
            gradients = torch.autograd.grad(losses[f"loss_{name}"], parameters.values(), retain_graph=True)
            found |= {f"{name}/{p}": g for p, g in zip(parameters, gradients)}
        return arrays_of(found)

    def update(self, x_i, y_i, y_j, y_k=None, m_i=None):
        """Update D, then G; returns all parameters after both updates."""
        self.trainer.step(*self._tensors(x_i, y_i, y_j, y_k, m_i))
        return {
            f"{name}/{parameter}": value
            for name, network in self.networks._asdict().items()
            for parameter, value in weights_of(network).items()
        }

    def _tensors(self, *arrays):
        return [None if array is None else torch.tensor(array, dtype=self.dtype) for array in arrays]

    def _losses(self, x_i, y_i, y_j, y_k, m_i):
        G, D = self.networks
        x_i, y_i, y_j, y_k, m_i = self._tensors(x_i, y_i, y_j, y_j if y_k is None else y_k, m_i)
        generated = G(x_i, y_i, y_j, m_i)
        losses = losses_of_D(D, x_i, generated.x_ij.detach(), y_i, y_j, y_k)
        return losses | losses_of_G(G, D, generated, x_i, y_i, y_j, m_i)


def arrays_of(tensors):
    """Convert tensors by name to arrays by name."""
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}
