"""The paper's networks, losses, gradients and updates in plain NumPy, under docs/evaluation.md.

Independent of Aesara, JAX and PyTorch: a tape of nodes, each with the pullback of its operation.
The default readings, the head's stride and weight decay.  `Mistakes` are those that re-implementations make.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mistakes:
    """What an implementation gets wrong; nothing by default."""

    flipped: bool = False
    epsilon_outside: bool = False
    swapped: bool = False
    biased: bool = False
    copies_before_activation: bool = False
    cycle_from_x_tilde: bool = False
    updated_late: bool = False
    fake_copies_real: bool = False
    cycle_copies_first: bool = False
    amsgrad: bool = False
    decay: float = 0.0  # of the weights beside Adam's step (AdamW)


class Node:
    """An array and how a gradient by it runs on to those that it was computed from."""

    dtype = "float64"  # to which values and gradients are rounded

    def __init__(self, value, *parents):
        self.value, self.parents, self.gradient = np.asarray(value, self.dtype), parents, 0.0

    def __add__(self, other):
        return Node(self.value + other.value, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, number):
        return Node(self.value * number, (self, lambda g: g * number))


def backward(loss):
    """Fill in the gradient of a scalar by every node behind it."""
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent, _ in node.parents:
                visit(parent)
            order.append(node)

    visit(loss)
    for node in order:
        node.gradient = np.zeros_like(node.value)
    loss.gradient = np.ones(())
    for node in reversed(order):
        for parent, pullback in node.parents:
            parent.gradient = parent.gradient + np.asarray(pullback(node.gradient), Node.dtype)


def taps(x, kernel, stride, size):
    """The view of padded x under each place (a, b) of a kernel."""
    for a in range(kernel):
        for b in range(kernel):
            rows, columns = (slice(start, start + stride * side, stride) for start, side in zip((a, b), size))
            yield a, b, x[:, :, rows, columns]


def padded(x, pad):
    """x in float64 with zeros around the last two axes."""
    return np.pad(x.astype(float), ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def correlate(x, W, stride, pad):
    """x [N, C, H, W] under kernels [K, C, k, k], `pad` zeros around."""
    k = W.shape[2]
    size = [(side + 2 * pad - k) // stride + 1 for side in x.shape[2:]]
    views = taps(padded(x, pad), k, stride, size)
    return sum(np.einsum("nchw,kc->nkhw", view, W[:, :, a, b]) for a, b, view in views)


def spread(g, W, stride, pad, size):
    """The transpose of `correlate`: g [N, K, h, w] to pictures [N, C, *size]."""
    k, g = W.shape[2], g.astype(float)
    x = np.zeros((len(g), W.shape[1], size[0] + 2 * pad + k, size[1] + 2 * pad + k))
    for a, b, view in taps(x, k, stride, g.shape[2:]):
        view += np.einsum("nkhw,kc->nchw", g, W[:, :, a, b])
    return x[:, :, pad : pad + size[0], pad : pad + size[1]]


def kernel_gradient(x, g, stride, pad, k):
    """The gradient of sum(g correlate(x, W)) by W [K, C, k, k]."""
    W = np.zeros((g.shape[1], x.shape[1], k, k))
    x = padded(x, pad)
    for a, b, view in taps(x, k, stride, g.shape[2:]):
        W[:, :, a, b] = np.einsum("nchw,nkhw->kc", view, g)
    return W


def convolution(x, W, b=None, stride=2, flipped=False):
    """`correlate` on nodes; flipped: a true convolution."""
    turn = (lambda W: W[:, :, ::-1, ::-1]) if flipped else (lambda W: W)
    size, k = x.value.shape[2:], W.value.shape[2]
    pad = (k - 1) // 2
    y = Node(
        correlate(x.value, turn(W.value), stride, pad),
        (x, lambda g: spread(g, turn(W.value), stride, pad, size)),
        (W, lambda g: turn(kernel_gradient(x.value, g, stride, pad, k))),
    )
    return y if b is None else along_channels(y, b)


def deconvolution(x, W, b=None):
    """`spread` on nodes, to twice the size; W [C, K, k, k]."""
    size, k = [2 * side for side in x.value.shape[2:]], W.value.shape[2]
    pad = (k - 1) // 2
    y = Node(
        spread(x.value, W.value, 2, pad, size),
        (x, lambda g: correlate(g, W.value, 2, pad)),
        (W, lambda g: kernel_gradient(g, x.value, 2, pad, k)),
    )
    return y if b is None else along_channels(y, b)


def box(W):
    """Kernels convolved with a 2x2 box of 1/2."""
    shifts = [
        (slice(a, a + W.value.shape[2]), slice(b, b + W.value.shape[3])) for a in (0, 1) for b in (0, 1)
    ]
    value = np.zeros((*W.value.shape[:2], W.value.shape[2] + 1, W.value.shape[3] + 1))
    for rows, columns in shifts:
        value[:, :, rows, columns] += 0.5 * W.value
    return Node(value, (W, lambda g: 0.5 * sum(g[:, :, rows, columns] for rows, columns in shifts)))


def along_channels(x, b):
    """x + b, one number for each channel."""
    return Node(x.value + b.value[:, None, None], (x, lambda g: g), (b, lambda g: g.sum((0, 2, 3))))


def norm(x, gain, shift, epsilon, outside):
    """Instance norm."""
    x0 = x.value - x.value.mean((2, 3), keepdims=True)
    variance = (x0**2).mean((2, 3), keepdims=True)
    root = np.sqrt(variance) + epsilon if outside else np.sqrt(variance + epsilon)
    z = x0 / root

    def pull(g):
        g = g * gain.value[:, None, None]
        return (g - g.mean((2, 3), keepdims=True) - z * (g * z).mean((2, 3), keepdims=True)) / root

    scaled = Node(z * gain.value[:, None, None], (x, pull), (gain, lambda g: (g * z).sum((0, 2, 3))))
    return along_channels(scaled, shift)


def relu(x):
    return Node(np.maximum(x.value, 0), (x, lambda g: g * (x.value > 0)))


def sigmoid(x):
    y = 1 / (1 + np.exp(-x.value))
    return Node(y, (x, lambda g: g * y * (1 - y)))


def tanh(x):
    y = np.tanh(x.value)
    return Node(y, (x, lambda g: g * (1 - y * y)))


def join(*nodes):
    """Concatenate along channels."""
    ends = np.cumsum([0, *(n.value.shape[1] for n in nodes)])
    return Node(
        np.concatenate([n.value for n in nodes], 1),
        *((n, lambda g, a=a, b=b: g[:, a:b]) for n, a, b in zip(nodes, ends, ends[1:])),
    )


def channels(x, a, b):
    """Channels a to b."""

    def pull(g):
        whole = np.zeros_like(x.value)
        whole[:, a:b] = g
        return whole

    return Node(x.value[:, a:b], (x, pull))


def half(x):
    """Average of 2x2 blocks."""
    n, c, h, w = x.value.shape
    return Node(
        x.value.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5)),
        (x, lambda g: g.repeat(2, 2).repeat(2, 3) / 4),
    )


def blend(alpha, painted, x):
    """alpha painted + (1 - alpha) x."""
    return Node(
        alpha.value * painted.value + (1 - alpha.value) * x.value,
        (alpha, lambda g: (g * (painted.value - x.value)).sum(1, keepdims=True)),
        (painted, lambda g: g * alpha.value),
        (x, lambda g: g * (1 - alpha.value)),
    )


def minus_log_sigmoid(x, sign):
    """Mean of -log sigmoid(sign x)."""
    p = 1 / (1 + np.exp(-sign * x.value))
    return Node(-np.log(p).mean(), (x, lambda g: g * -sign * (1 - p) / p.size))


def mean_absolute(a, b):
    """Mean of |a - b|."""
    sign = np.sign(a.value - b.value) / a.value.size
    return Node(np.abs(a.value - b.value).mean(), (a, lambda g: g * sign), (b, lambda g: -g * sign))


class Implementation:
    """The protocol's five methods; the factory: `functools.partial(Implementation, mistakes)`."""

    def __init__(self, mistakes, config, weights):
        self.mistakes, self.config, self.t = mistakes, config, 0
        self.weights = {name: Node(value.copy()) for name, value in weights.items()}
        self.m, self.v, self.largest = ({name: 0.0 for name in weights} for _ in range(3))
        self.seen = {}

    def stack(self, network, layer, h, pair):
        """Four stride-2 layers, the copies of `pair` behind each; returns every box."""
        boxes = []
        for n in range(1, 5):
            name = f"{layer}{n}"
            pair = half(pair)
            h = self.linear(network, name, h)
            if self.mistakes.copies_before_activation:
                h = relu(join(h, pair))
            else:
                h = join(relu(h), pair)
            self.seen[f"{name}.box"] = h
            boxes.append(h)
        return boxes

    def kernel(self, W):
        """The kernel of a deconvolution with weights W."""
        return box(W) if self.config.get("phases") == "tied" else W

    def linear(self, network, name, h, up=False):
        """(De)convolution and norm, where the layer has one."""
        W, b, gain, shift = (self.weights.get(f"{network}/{name}.{p}") for p in ("W", "b", "gain", "shift"))
        kind = "deconvolution" if up else "convolution"
        h = deconvolution(h, self.kernel(W), b) if up else convolution(h, W, b, 2, self.mistakes.flipped)
        self.seen[f"{name}.{kind}"] = h
        if gain is not None:
            h = norm(h, gain, shift, self.config["norm_epsilon"], self.mistakes.epsilon_outside)
            self.seen[f"{name}.norm"] = h
        return h

    def G(self, x_i, y_i, y_j, copied=None):
        """alpha, x_tilde_ij, x_ij; copied: the pair of the copies, where it is not x_i, y_i."""
        if self.mistakes.swapped:
            y_i, y_j = y_j, y_i
        *skips, h = self.stack("G", "encoder", join(x_i, y_i, y_j), copied or join(x_i, y_i))
        for n in range(1, 4):
            h = join(relu(self.linear("G", f"decoder{n}", h, up=True)), skips.pop())
            self.seen[f"decoder{n}.box"] = h
        h = deconvolution(h, self.kernel(self.weights["G/output.W"]), self.weights["G/output.b"])
        alpha, x_tilde = sigmoid(channels(h, 0, 1)), tanh(channels(h, 1, 4))
        self.seen["output"] = h
        return alpha, x_tilde, blend(alpha, x_tilde, x_i)

    def D(self, x, y, copied=None):
        """Logits; copied: the pair of the copies, where it is not x, y."""
        h = self.stack("D", "layer", join(x, y), copied or join(x, y))[-1]
        return convolution(
            h, self.weights["D/head.W"], self.weights["D/head.b"], self.config["d_head_stride"]
        )

    def generate(self, *pictures):
        self.seen = {}
        generated = self.G(*map(Node, pictures))
        seen = self.seen | dict(zip(("alpha", "x_tilde_ij", "x_ij"), generated))
        return {name: node.value for name, node in seen.items()}

    def discriminate(self, x, y):
        self.seen = {}
        head = self.D(Node(x), Node(y))
        return {name: node.value for name, node in (self.seen | {"head": head}).items()}

    def nodes(self, *pictures):
        """Every loss term as a node."""
        x_i, y_i, y_j = map(Node, pictures)
        alpha, x_tilde, x_ij = self.G(x_i, y_i, y_j)
        first = join(x_i, y_i)
        in_D, back_in_G = (
            first if wrong else None
            for wrong in (self.mistakes.fake_copies_real, self.mistakes.cycle_copies_first)
        )
        terms = {
            "adv_D_real": minus_log_sigmoid(self.D(x_i, y_i), 1),
            "adv_D_fake": minus_log_sigmoid(self.D(Node(x_ij.value), y_j, in_D), -1),
            "adv_D_mismatch": minus_log_sigmoid(self.D(x_i, y_j), -1),
        }
        terms["loss_D"] = terms["adv_D_real"] + terms["adv_D_fake"] + terms["adv_D_mismatch"]
        back = x_tilde if self.mistakes.cycle_from_x_tilde else x_ij
        terms |= {
            "adv_G": minus_log_sigmoid(self.D(x_ij, y_j), 1),
            "L_id": mean_absolute(alpha, Node(np.zeros_like(alpha.value))),
            "L_cyc": mean_absolute(x_i, self.G(back, y_j, y_i, back_in_G)[2]),
        }
        terms["loss_G"] = (
            terms["adv_G"] + terms["L_id"] * self.config["gamma_i"] + terms["L_cyc"] * self.config["gamma_c"]
        )
        return terms

    def losses(self, *pictures):
        return {name: node.value for name, node in self.nodes(*pictures).items()}

    def gradient(self, network, pictures):
        """Of one network's loss by its parameters."""
        backward(self.nodes(*pictures)[f"loss_{network}"])
        return {name: node.gradient for name, node in self.weights.items() if name.startswith(network)}

    def gradients(self, *pictures):
        return self.gradient("D", pictures) | self.gradient("G", pictures)

    def update(self, *pictures):
        self.t += 1
        late = self.gradient("G", pictures) if self.mistakes.updated_late else None
        self.adam(self.gradient("D", pictures))
        self.adam(late or self.gradient("G", pictures))
        return {name: node.value for name, node in self.weights.items()}

    def adam(self, gradients):
        """Kingma and Ba's algorithm 1."""
        beta1, beta2 = self.config["beta1"], self.config["beta2"]
        for name, g in gradients.items():
            if name.endswith(".W"):
                g = g + self.config["weight_decay"] * self.weights[name].value
            self.m[name] = beta1 * self.m[name] + (1 - beta1) * g
            self.v[name] = beta2 * self.v[name] + (1 - beta2) * g * g
            ends = (1.0, 1.0) if self.mistakes.biased else (1 - beta1**self.t, 1 - beta2**self.t)
            v = self.v[name]
            if self.mistakes.amsgrad:
                v = self.largest[name] = np.maximum(self.largest[name], v)
            root = np.sqrt(v / ends[1]) + self.config["epsilon"]
            step = self.config["learning_rate"] * self.m[name] / ends[0] / root
            step = step + self.config["learning_rate"] * self.mistakes.decay * self.weights[name].value
            self.weights[name].value = self.weights[name].value - step
