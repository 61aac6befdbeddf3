"""Adam (Kingma and Ba, algorithm 1) as an ordered dict of symbolic updates."""

from collections import OrderedDict

import numpy as np

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.network.fused import AdamStep
from cagan_theano.network.layers import Parameters, Variable

at = aesara.tensor

Updates = OrderedDict[Variable, Variable]  # shared variable -> its new value


class Adam:
    """Adam for one network: its moments and its update.

    ``moments``: ordered dict of name -> shared variable: "t" (number of updates, a float scalar), and
    "<parameter>/m" and "<parameter>/v" for every parameter.
    Section 3.1: "ADAM [6] with the settings of [10] - learning rate 0.0002", hence beta1 = 0.5.
    """

    def __init__(self, params: Parameters, config: Config) -> None:
        self.params, self.config = params, config
        self.operations: dict[Variable, AdamStep] = {}  # by the type of parameter
        dtype = next(iter(params.values())).dtype
        self.moments: OrderedDict[str, Variable] = OrderedDict(t=aesara.shared(np.zeros((), dtype), name="t"))
        for name, theta in params.items():
            for moment in "mv":
                zeros = np.zeros_like(theta.get_value(borrow=True))
                self.moments[f"{name}/{moment}"] = aesara.shared(zeros, name=f"{name}/{moment}")

    def updates(self, loss: Variable) -> Updates:
        """Ordered dict of shared variable -> new value, for one step that minimizes the loss.

        Algorithm 1: theta_t = theta - learning_rate m_hat / (sqrt(v_hat) + epsilon).  The variant
        "theano", common in Theano code, adds epsilon to the uncorrected sqrt(v_t): this scales
        epsilon by 1 / sqrt(1 - beta2^t), which matters for small gradients.
        """
        t = self.moments["t"] + np.asarray(1, self.moments["t"].dtype)
        updates: Updates = OrderedDict([(self.moments["t"], t)])
        gradients = aesara.grad(loss, list(self.params.values()))
        for (name, theta), g_t in zip(self.params.items(), gradients):
            if self.config.weight_decay and name.endswith(".W"):
                g_t = g_t + np.asarray(self.config.weight_decay, theta.dtype) * theta
            m, v = self.moments[f"{name}/m"], self.moments[f"{name}/v"]
            theta_t, m_t, v_t = self.descent(theta.type)(theta, m, v, g_t, t)
            updates.update([(m, m_t), (v, v_t), (theta, theta_t)])
        return updates

    def descent(self, kind: Variable) -> "AdamStep":
        """The fused update of a parameter, built once per type."""
        if kind not in self.operations:
            theta, m, v, g_t, t = *(kind() for _ in range(4)), self.moments["t"].type()
            m_t, v_t, step = self.step(m, v, g_t, t)
            config, op = self.config, AdamStep([theta, m, v, g_t, t], [theta - step, m_t, v_t])
            op.attributes = (config.learning_rate, config.beta1, config.beta2, config.epsilon,
                        config.adam == "theano", *decay_schedule(config))  # fmt: skip
            self.operations[kind] = op
        return self.operations[kind]

    def step(self, m: Variable, v: Variable, g_t: Variable, t: Variable) -> tuple[Variable, ...]:
        """(m_t, v_t, step) with theta_t = theta - step, from moments m, v, gradient g_t and count t."""
        alpha, beta1, beta2, epsilon = (
            at.constant(np.asarray(getattr(self.config, name), dtype=m.dtype))
            for name in ("learning_rate", "beta1", "beta2", "epsilon")
        )
        if self.config.learning_rate_decay:
            alpha = alpha * left(t, *decay_schedule(self.config))
        m_t = beta1 * m + (1 - beta1) * g_t
        v_t = beta2 * v + (1 - beta2) * at.square(g_t)
        m_scale, v_scale = 1 - beta1**t, 1 - beta2**t
        if self.config.adam == "theano":
            return m_t, v_t, alpha * at.sqrt(v_scale) / m_scale * m_t / (at.sqrt(v_t) + epsilon)
        return m_t, v_t, alpha * (m_t / m_scale) / (at.sqrt(v_t / v_scale) + epsilon)


def decay_schedule(config: Config) -> tuple[float, float]:
    """(total updates of a network, number of final ones in which the step size decays to 0; or 0).

    With schedule "alternate" a network is updated in every other step.
    """
    last = config.steps if config.schedule == "both" else (config.steps + 1) // 2
    return float(last), config.learning_rate_decay * last


def left(t: Variable, last: float, falling: float) -> Variable:
    """Factor of the step size at update t = 1, 2 ...: max(0, min(1, (last + 1 - t) / falling))."""
    end, period, zero, one = (np.asarray(number, t.dtype) for number in (last + 1, falling, 0, 1))
    return at.clip((end - t) / period, zero, one)
