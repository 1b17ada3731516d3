"""The project's networks in plain PyTorch: generator, discriminator, conditioning augmentation.

Written from the papers and from what `crates/gan` documents of itself (ProGAN, arXiv:1710.10196;
T2F's conditional end), for `compat` unset and the `concat` head. Parameter names, and so parameter
counts, are the project's; its weights are (K, K, I, O) and become (O, I, K, K) in `load`.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

SLOPE = 0.2


def pixel_norm(x):
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def upsample(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Conv(nn.Module):
    """Convolution with equalized learning rate; `rectified` adds gain sqrt 2 and leaky ReLU."""

    def __init__(self, kernel, inputs, outputs, rectified=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = (math.sqrt(2) if rectified else 1.0) / math.sqrt(kernel * kernel * inputs)
        self.padding = 1 if kernel == 3 else 0
        self.rectified = rectified

    def forward(self, x):
        y = F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)
        return F.leaky_relu(y, SLOPE) if self.rectified else y

    def from_ours(self, weight):
        return weight.permute(3, 2, 0, 1)


class Linear(nn.Module):
    """What the project calls a 1x1 convolution of a vector."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x):
        return F.linear(x, self.weight * self.scale, self.bias)

    def from_ours(self, weight):
        return weight[0, 0].T


class Unfold(nn.Module):
    """A vector becomes 4x4 pixels: a transposed 4x4 convolution of one pixel, as one product."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs * 16, inputs))  # rows: channel, then pixel
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = math.sqrt(2) / math.sqrt(16 * inputs)

    def forward(self, x):
        y = F.linear(x, self.weight * self.scale).view(x.shape[0], -1, 4, 4)
        return F.leaky_relu(y + self.bias.view(1, -1, 1, 1), SLOPE)

    def from_ours(self, weight):  # (1, 1, I, 4·4·O), pixel first
        inputs = weight.shape[2]
        return weight.view(inputs, 16, -1).permute(2, 1, 0).reshape(-1, inputs)


class GeneratorBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = Conv(3, inputs, outputs)
        self.conv_2 = Conv(3, outputs, outputs)

    def forward(self, x):
        return pixel_norm(self.conv_2(pixel_norm(self.conv_1(upsample(x)))))


class Generator(nn.Module):
    def __init__(self, latent, channels):
        super().__init__()
        c = channels[0]
        self.initial_block = nn.ModuleDict({"conv_1": Unfold(latent, c), "conv_2": Conv(3, c, c)})
        self.layers = nn.ModuleList(GeneratorBlock(i, o) for i, o in zip(channels, channels[1:]))
        self.rgb_converters = nn.ModuleList(Conv(1, c, 3, rectified=False) for c in channels)

    def forward(self, latent, level, alpha):
        x = pixel_norm(self.initial_block["conv_1"](pixel_norm(latent)))
        x = below = pixel_norm(self.initial_block["conv_2"](x))
        for block in self.layers[:level]:
            below, x = x, block(x)
        image = self.rgb_converters[level](x)
        if level > 0 and alpha < 1:
            image = alpha * image + (1 - alpha) * upsample(self.rgb_converters[level - 1](below))
        return image


class DiscriminatorBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = Conv(3, inputs, inputs)
        self.conv_2 = Conv(3, inputs, outputs)

    def forward(self, x):
        return F.avg_pool2d(self.conv_2(self.conv_1(x)), 2)


class Discriminator(nn.Module):
    def __init__(self, channels, embedding, compressed, group=4):
        super().__init__()
        c = channels[0]
        self.group = group
        self.rgb_to_features = nn.ModuleList(Conv(1, 3, c) for c in channels)
        self.layers = nn.ModuleList(DiscriminatorBlock(o, i) for i, o in zip(channels, channels[1:]))
        self.final_block = nn.ModuleDict(
            {
                "compressor": Linear(embedding, compressed),
                "conv_1": Conv(3, c + 1, c),
                "conv_2": Conv(1, c + compressed, c),
                "conv_3": Conv(4, c, c),
                "conv_4": Conv(1, c, 1, rectified=False),
            }
        )

    def with_stddev(self, x):
        b, c, h, w = x.shape
        group = max(g for g in range(1, min(self.group, b) + 1) if b % g == 0)
        y = x.reshape(b // group, group, -1)
        y = y - y.mean(1, keepdim=True)
        deviation = (y.square().mean(1) + 1e-8).sqrt().mean(1)  # (B / group)
        planes = deviation.repeat_interleave(group).view(b, 1, 1, 1).expand(b, 1, h, w)
        return torch.cat((x, planes), 1)

    def features(self, images, level, alpha):
        x = self.rgb_to_features[level](images)
        if level > 0:
            x = self.layers[level - 1](x)
            if alpha < 1:
                x = alpha * x + (1 - alpha) * self.rgb_to_features[level - 1](F.avg_pool2d(images, 2))
            for i in reversed(range(level - 1)):
                x = self.layers[i](x)
        return self.final_block["conv_1"](self.with_stddev(x))

    def score(self, features, embedding):
        b, _, h, w = features.shape
        text = self.final_block["compressor"](embedding)[:, :, None, None].expand(-1, -1, h, w)
        x = self.final_block["conv_2"](torch.cat((features, text), 1))
        return self.final_block["conv_4"](self.final_block["conv_3"](x)).view(b)

    def forward(self, images, embedding, level, alpha):
        return self.score(self.features(images, level, alpha), embedding)


class Conditioning(nn.Module):
    """StackGAN's conditioning augmentation: code, and its divergence averaged over all values."""

    def __init__(self, embedding, code):
        super().__init__()
        self.transformer = Linear(embedding, 2 * code)

    def forward(self, embedding, noise):
        mu, log_variance = self.transformer(embedding).chunk(2, 1)
        kl = 0.5 * (mu.square() + log_variance.exp() - log_variance - 1).mean()
        return mu + (0.5 * log_variance).exp() * noise, kl


class Pipeline(nn.Module):
    """Conditioning augmentation and generator: what the generator's optimiser trains."""

    def __init__(self, shape):
        super().__init__()
        self.code = shape["code_size"]
        self.conditioning = Conditioning(shape["embedding_size"], self.code)
        self.generator = Generator(shape["latent_size"], shape["channels"])

    def forward(self, embedding, noise, level, alpha):
        code, kl = self.conditioning(embedding, noise[:, : self.code])
        return self.generator(torch.cat((code, noise[:, self.code :]), 1), level, alpha), kl


def load(network, value):
    """Sets every parameter to `value(name, shape)`, where the shape is that of the project."""
    with torch.no_grad():
        for prefix, module in network.named_modules():
            if not hasattr(module, "from_ours"):
                continue
            module.bias.copy_(value(f"{prefix}.bias", module.bias.shape))
            module.weight.copy_(module.from_ours(value(f"{prefix}.weight", ours(module))))


def ours(module):
    """The shape that the project gives to the weight of a layer."""
    if isinstance(module, Conv):
        o, i, k, _ = module.weight.shape
        return (k, k, i, o)
    rows, inputs = module.weight.shape
    return (1, 1, inputs, rows)
