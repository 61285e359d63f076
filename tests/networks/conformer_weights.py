"""The weights of a conformer, as recorded from PyTorch and as the definition names them."""

import numpy as np


def fill_block(model, name, weights, prefix):
    """Give the block `name` of a model the recorded weights below `prefix`."""

    def of(key):
        return [weights[f"{prefix}.{key}.{part}"] for part in ("weight", "bias")]

    def dense(key):
        weight, bias = of(key)
        return [weight[..., 0].T, bias]

    convolution = f"{prefix}.conv_module.conv_module.3"
    statistics = [weights[f"{convolution}.running_{part}"] for part in ("mean", "var")]
    kernel, bias = of("conv_module.conv_module.2")
    values = {
        "attention_norm": of("mhsa_module.layer_norm"),
        "attention_heads": _heads(model, name, weights, f"{prefix}.mhsa_module.self_attn"),
        "convolution_norm": of("conv_module.layer_norm"),
        "convolution_gates": dense("conv_module.conv_module.0"),
        "convolution_over_time": [kernel.transpose(2, 0, 1), bias],
        "convolution_batch": [*of("conv_module.conv_module.3"), *statistics],
        "convolution_project": dense("conv_module.conv_module.5"),
        "norm": of("layer_norm"),
    }
    for ours, theirs in (("first", "ff_module_1"), ("second", "ff_module_2")):
        values[f"{ours}_norm"] = of(f"{theirs}.layer_norm")
        values[f"{ours}_expand"] = dense(f"{theirs}.ff_module.0")
        values[f"{ours}_project"] = dense(f"{theirs}.ff_module.3")
    for layer, arrays in values.items():
        model.get_layer(f"{name}_{layer}").set_weights(arrays)


def _heads(model, name, weights, prefix):
    """Query, key, value and output maps, each with its bias."""
    shape = model.get_layer(f"{name}_attention_heads").get_weights()[0].shape
    arrays = []
    stacked = weights[f"{prefix}.in_proj_weight"], weights[f"{prefix}.in_proj_bias"]
    for weight, bias in zip(*(np.split(each, 3) for each in stacked), strict=True):
        arrays += [weight.T.reshape(shape), bias.reshape(shape[1:])]
    output = weights[f"{prefix}.out_proj.weight"].T.reshape(*shape[1:], shape[0])
    return [*arrays, output, weights[f"{prefix}.out_proj.bias"]]


def block_by_definition(model, name, frames):
    """The block `name` of a model on one clip, `(frames, width)`, in float64, in inference."""

    def of(layer):
        arrays = model.get_layer(f"{name}_{layer}").get_weights()
        return [array.astype("float64") for array in arrays]

    x = frames.astype("float64")
    x = x + 0.5 * _feed_forward(x, of, "first")
    x = x + _attention(_layer_norm(x, *of("attention_norm")), *of("attention_heads"))
    x = x + _convolution(x, of)
    x = x + 0.5 * _feed_forward(x, of, "second")
    return _layer_norm(x, *of("norm"))


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _layer_norm(x, gamma, beta):
    rows = [(row - row.mean()) / np.sqrt(row.var() + 1e-5) for row in x]
    return np.array(rows) * gamma + beta


def _feed_forward(x, of, name):
    kernel, bias = of(f"{name}_expand")
    hidden = _layer_norm(x, *of(f"{name}_norm")) @ kernel + bias
    kernel, bias = of(f"{name}_project")
    return hidden * _sigmoid(hidden) @ kernel + bias


def _attention(x, query, query_bias, key, key_bias, value, value_bias, output, output_bias):
    total = np.zeros_like(x)
    num_heads, units = query_bias.shape
    for head in range(num_heads):
        asked = x @ query[:, head] + query_bias[head]
        answers = x @ key[:, head] + key_bias[head]
        values = x @ value[:, head] + value_bias[head]
        for frame, question in enumerate(asked):
            logits = np.array([question @ answer for answer in answers]) / np.sqrt(units)
            shares = np.exp(logits) / np.exp(logits).sum()
            total[frame] += shares @ values @ output[head]
    return total + output_bias


def _convolution(x, of):
    width = x.shape[1]
    kernel, bias = of("convolution_gates")
    both = _layer_norm(x, *of("convolution_norm")) @ kernel + bias
    gated = both[:, :width] * _sigmoid(both[:, width:])
    kernel, bias = of("convolution_over_time")
    reach = (len(kernel) - 1) // 2
    convolved = np.zeros_like(gated) + bias
    for frame in range(len(gated)):
        for place in range(len(kernel)):
            heard = frame + place - reach
            if 0 <= heard < len(gated):
                convolved[frame] += kernel[place, :, 0] * gated[heard]
    gamma, beta, mean, variance = of("convolution_batch")
    x = (convolved - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    kernel, bias = of("convolution_project")
    return x * _sigmoid(x) @ kernel + bias


def disturb(model):
    """Move every weight from its start, so that none is 0 or 1; variances stay positive."""
    rng = np.random.default_rng(3)
    for weight in model.weights:
        change = 0.2 * rng.normal(size=weight.shape)
        weight.assign(weight + (np.abs(change) if "variance" in weight.path else change))
