"""One training step of the benchmark in PyTorch, in the ways a PyTorch user may write it.

The loss and what is updated are the project's: D step, G step, Adam(0, 0.99) on both, average of
everything that draws. The variants differ in how much is computed twice:

faithful   as T2F writes it: the fake drawn anew for the second half, its graph built in the first
           half too, D's weight gradients computed and thrown away in the second, the real images
           shown twice for the two texts, the average a loop
tuned      fake under no_grad in the first half, D frozen in the second, fused Adam, foreach average
shared     as tuned, and the project's own economies: one batch of fakes for both halves, one pass
           over the real images for both texts
compile    as shared, through torch.compile, save where the penalty is differentiated twice, which
           torch.compile refuses
`-cl` is the same with channels-last tensors.
bf16, bf16-cl, bf16-compile    as shared, shared-cl and compile, under torch.autocast to bfloat16
"""

import torch
import torch.nn.functional as F

from network import Discriminator, Pipeline

VARIANTS = ("faithful", "tuned", "tuned-cl", "shared", "shared-cl", "compile", "compile-cl")
BF16_VARIANTS = ("bf16", "bf16-cl", "bf16-compile")
KL_WEIGHT, DRIFT, LAMBDA, DECAY = 2.0, 0.001, 10.0, 0.999


def on_device(benchmark):
    """Makes tensors on the device of a benchmark from here on, with products of its precision."""
    torch.set_default_device(benchmark.get("device", "cpu"))
    tf32 = benchmark.get("precision") == "tf32"  # PyTorch's default: convolutions alone
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32


class Losses:
    """The two losses, on networks `pipeline` and `d`; `d_twice` is differentiated twice."""

    def __init__(self, d, features, score, d_twice, benchmark):
        self.d, self.features, self.score, self.d_twice = d, features, score, d_twice
        self.wgan = benchmark["loss"] == "wgan-gp"
        self.at = (benchmark["level"], benchmark["alpha"])

    def penalty(self, real, fake, embedding, mix):
        mixed = (fake + mix * (real - fake)).requires_grad_(True)
        scores = self.d_twice(mixed, embedding, *self.at)
        (gradient,) = torch.autograd.grad(scores.sum(), mixed, create_graph=True)
        norms = (gradient.square().flatten(1).sum(1) + 1e-12).sqrt()
        return LAMBDA * (norms - 1).square().mean()

    def discriminator(self, real, fake, embedding, wrong, mix, share_reals):
        on_fake = self.d(fake, embedding, *self.at)
        if not self.wgan:
            return F.softplus(on_fake).mean() + F.softplus(-self.d(real, embedding, *self.at)).mean()
        if share_reals:
            features = self.features(real, *self.at)
            on_real, on_wrong = self.score(features, embedding), self.score(features, wrong)
        else:
            on_real, on_wrong = self.d(real, embedding, *self.at), self.d(real, wrong, *self.at)
        adversarial = 0.5 * on_fake.mean() + 0.5 * on_wrong.mean() - on_real.mean()
        return adversarial + DRIFT * on_real.square().mean() + self.penalty(real, fake, embedding, mix)

    def generator(self, fake, kl, embedding):
        scores = self.d(fake, embedding, *self.at)
        adversarial = -scores.mean() if self.wgan else F.softplus(-scores).mean()
        return adversarial + KL_WEIGHT * kl


class Training:
    def __init__(self, benchmark, variant):
        on_device(benchmark)
        torch.manual_seed(3)
        y = self.benchmark = benchmark
        words = variant.split("-")
        compiled = "compile" in words
        self.bf16 = "bf16" in words
        self.faithful, self.shared = "faithful" in words, compiled or self.bf16 or "shared" in words
        self.pipeline = Pipeline(y)
        self.d = Discriminator(y["channels"], y["embedding_size"], y["compressed_size"])
        self.format = torch.channels_last if "cl" in words else torch.contiguous_format
        self.pipeline.to(memory_format=self.format)
        self.d.to(memory_format=self.format)
        wrap = torch.compile if compiled else lambda f: f
        self.generate = wrap(self.pipeline.forward)
        self.losses = Losses(
            wrap(self.d.forward), wrap(self.d.features), wrap(self.d.score), self.d.forward, y
        )
        options = {"lr": 1e-3, "betas": (0.0, 0.99), "eps": 1e-8}
        if not self.faithful:
            options["fused"] = True
        self.g_optimizer = torch.optim.Adam(self.pipeline.parameters(), **options)
        self.d_optimizer = torch.optim.Adam(self.d.parameters(), **options)
        self.average = [p.detach().clone() for p in self.pipeline.parameters()]
        self.batch = y["batch"]
        side = 4 << y["level"]
        self.real = self.laid_out(torch.rand(self.batch, 3, side, side) * 2 - 1)
        self.embedding = torch.randn(self.batch, y["embedding_size"])
        self.wrong = self.embedding.roll(1, 0)

    def laid_out(self, images):
        return images.contiguous(memory_format=self.format)

    def draw(self):
        noise = torch.randn(self.batch, self.benchmark["latent_size"])
        fake, kl = self.generate(self.embedding, noise, *self.losses.at)
        return self.laid_out(fake), kl

    def step(self):
        with torch.autocast(self.real.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            return self.whole_step()

    def whole_step(self):
        mix = torch.rand(self.batch, 1, 1, 1)
        fake = kl = None
        if self.shared:
            fake, kl = self.draw()
            shown = fake.detach()
        else:
            with torch.set_grad_enabled(self.faithful):
                shown = self.draw()[0].detach()
        loss = self.losses.discriminator(self.real, shown, self.embedding, self.wrong, mix, self.shared)
        self.d_optimizer.zero_grad()
        loss.backward()
        self.d_optimizer.step()

        if not self.faithful:
            self.d.requires_grad_(False)
        if fake is None:
            fake, kl = self.draw()
        loss = self.losses.generator(fake, kl, self.embedding)
        self.g_optimizer.zero_grad()
        loss.backward()
        self.g_optimizer.step()
        self.d.requires_grad_(True)
        with torch.no_grad():
            if self.faithful:
                for average, p in zip(self.average, self.pipeline.parameters()):
                    average.copy_(DECAY * average + (1 - DECAY) * p)
            else:
                torch._foreach_lerp_(self.average, list(self.pipeline.parameters()), 1 - DECAY)
        return loss.item()
