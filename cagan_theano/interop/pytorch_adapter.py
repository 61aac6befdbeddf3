"""The PyTorch reference in the protocol of `docs/evaluation.md`, as an example of an adapter.

cagan compare --golden cagan_theano.interop.pytorch_adapter:create
"""

from cagan_theano.interop import pytorch_network as reference
from cagan_theano.interop.pytorch_network import torch

DTYPE = torch.float64


def create(config: dict, weights: dict) -> "Adapter":
    """The factory of the protocol; config: settings, weights: "G/encoder1.W" -> array."""
    return Adapter(config, weights)


def create_float32(config: dict, weights: dict) -> "Adapter":
    """`create` in float32."""
    return Adapter(config, weights, torch.float32)


class Adapter:
    """NumPy interface to `cagan_theano.interop.pytorch_network`; settings: of its `Trainer`."""

    def __init__(self, config, weights, dtype=DTYPE, **settings):
        self.dtype, self.networks = dtype, reference.build_networks(reference.Config(**config))
        for name, network in self.networks._asdict().items():
            own = {parameter: weights[f"{name}/{parameter}"] for parameter in network.state_dict()}
            reference.set_weights(network.to(dtype), own)
        self.trainer = reference.Trainer(self.networks, dtype=dtype, **settings)

    def tensors(self, *arrays):
        """Convert arrays to tensors; None stays None."""
        return [None if a is None else torch.tensor(a, dtype=self.dtype) for a in arrays]

    def generate(self, x_i, y_i, y_j, m_i=None):
        """The layers of G and its outputs."""
        G = self.networks.G
        layers, generated = watch(G, self.tensors(x_i, y_i, y_j, m_i))
        return arrays_of(layers | generated._asdict())

    def discriminate(self, x, y):
        """The layers of D; the last, "head", has the logits."""
        layers, _ = watch(self.networks.D, self.tensors(x, y))
        return arrays_of(layers)

    def losses(self, x_i, y_i, y_j, y_k=None, m_i=None):
        """All terms and both losses."""
        return arrays_of(self._losses(x_i, y_i, y_j, y_k, m_i))

    def gradients(self, x_i, y_i, y_j, y_k=None, m_i=None):
        """Gradients of loss_D for D's parameters and of loss_G for G's."""
        losses, found = self._losses(x_i, y_i, y_j, y_k, m_i), {}
        for name, network in self.networks._asdict().items():
            parameters = dict(network.named_parameters())
            gradients = torch.autograd.grad(
                losses[f"loss_{name}"], list(parameters.values()), retain_graph=True
            )
            found |= {f"{name}/{p}": g for p, g in zip(parameters, gradients)}
        return arrays_of(found)

    def update(self, x_i, y_i, y_j, y_k=None, m_i=None):
        """Update D, then G; returns all parameters after both updates."""
        self.trainer.step(*self.tensors(x_i, y_i, y_j, y_k, m_i))
        return {
            f"{name}/{parameter}": value
            for name, network in self.networks._asdict().items()
            for parameter, value in reference.weights_of(network).items()
        }

    def _losses(self, x_i, y_i, y_j, y_k, m_i):
        G, D = self.networks
        x_i, y_i, y_j, y_k, m_i = self.tensors(x_i, y_i, y_j, y_j if y_k is None else y_k, m_i)
        generated = G(x_i, y_i, y_j, m_i)
        x_ij = reference.blended(generated, "first", G.config).detach()
        D_terms = reference.discriminator_terms(D, x_i, x_ij, y_i, y_j, y_k)
        G_terms = reference.generator_terms(G, D, generated, x_i, y_i, y_j, m_i)
        names = ("adv_D_real", "adv_D_fake", "adv_D_mismatch", "adv_G", "L_id", "L_cyc")
        return dict(
            zip(names, (*D_terms, *G_terms)),
            loss_D=sum(D_terms),
            loss_G=reference.loss_of_G(G_terms, G.config),
        )


def watch(network, inputs):
    """Run G or D; returns (layer outputs by their names in the golden vectors, result).

    The output of a layer is that of its norm if it has one, else that of its convolution.
    """
    found = {}

    def hook(name, layer):
        def keep(_module, _inputs, output):
            last = name in ("output", "head")
            found[name if last else f"{name}.{'norm' if layer.epsilon else kind(layer)}"] = output

        return layer.register_forward_hook(keep)

    hooks = [hook(name, layer) for name, layer in network.named_children()]
    try:
        result = network(*inputs)
    finally:
        for registered in hooks:
            registered.remove()
    return found, result


def kind(layer):
    """Name of a layer's linear part in the golden vectors."""
    return "deconvolution" if layer.transposed else "convolution"


def arrays_of(tensors):
    """Convert tensors by name to arrays by name."""
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}
