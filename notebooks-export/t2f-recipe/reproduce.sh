#!/bin/sh
# Trains again what the report shows. Arguments are passed to `t2f train`.
set -eu

# 00000-procedural-t2f-recipe-classifier
# t2f 0.1.0; the run does not record the commit
# seed 0, data procedural, fingerprint procedural-v1-train-seed0-12000x32
config=$(mktemp)
cat >"$config" <<'END_OF_CONFIGURATION'
device = "auto"
name = "t2f-recipe-classifier"
seed = 0

[augment]
color = 0.0
cutout = 0.0
mirror = false
noise = 0.0
probability = 1.0
translation = 0.0

[data]
captions = "plain"
kind = "procedural"
memory_mib = 2048
seed = 0
test_images = 500
train_images = 12000
val_images = 500

[ema]
half_life_kimg = 2.0
ramp_up = 0.05

[gan]
channels = [96, 96, 64, 48]
code_size = 96
compressed_size = 128
conditioning = "log-variance"
discriminator = "progressive"
generator = "progressive"
head = "projection"
latent_size = 128
modulation = true
noise_inputs = false
resample = "nearest"
residual = false
resolution = 32
stddev_group = 4

[loader]
caption_dropout = 0.0
hard_negatives = 0.0
texts = 0
word_dropout = 0.0
workers = 1

[loss.adversarial]
kind = "logistic"
matching_aware = true

[loss.adversarial.r1]
gamma = 0.5
interval = 16
sigma = 0.0

[loss.adversarial.r2]
gamma = 0.0
interval = 16
sigma = 0.0

[loss.attributes]
capped = false
classifier = [64, 80, 64]
noise = 0.15
prior = false
text_weight = 20.0
weight = 5.0

[loss.conditioning]
kl_weight = 0.2

[loss.contrast]
size = 64
temperature = 0.1
weight = 1.0

[loss.drifting]
radii = [0.02, 0.05, 0.2]
weight = 0.0

[loss.reconstruction]
encoder = [48, 64, 64]
kl_weight = 0.01
weight = 0.0

[optimizer]
n_critic = 1
reset_at_level = false
text_learns_from_discriminator = true

[optimizer.classifier]
beta1 = 0.9
beta2 = 0.99
epsilon = 0.00000001
lr = 0.002

[optimizer.discriminator]
beta1 = 0.0
beta2 = 0.99
epsilon = 0.00000001
lr = 0.006

[optimizer.generator]
beta1 = 0.0
beta2 = 0.99
epsilon = 0.00000001
lr = 0.006

[optimizer.text]
beta1 = 0.9
beta2 = 0.99
epsilon = 0.00000001
lr = 0.004

[output]
checkpoint_kimg = 5.0
keep_checkpoints = 3
metrics_images = 500
metrics_kimg = 0.0
patience_kimg = 0.0
sample_kimg = 5.0
samples = 24
stop = false
tensorboard = false
tick_kimg = 0.5

[schedule]
anneal_kimg = 6.0
batch_sizes = [16]
fade_kimg = [0.0, 0.3, 0.5, 1.0]
stable_kimg = [0.3, 0.7, 7.0, 10.0]

[text]
bidirectional = true
embedding_size = 64
hidden_size = 64
kind = "lstm"
layers = 1
max_length = 1000
min_frequency = 1
pooling = "max"
vocabulary_size = 10000
END_OF_CONFIGURATION
t2f train --config "$config" "$@"
rm "$config"

# 00000-procedural-t2f-recipe-recipe
# t2f 0.1.0; the run does not record the commit
# seed 0, data procedural, fingerprint procedural-v1-train-seed0-12000x32
config=$(mktemp)
cat >"$config" <<'END_OF_CONFIGURATION'
device = "auto"
name = "t2f-recipe-recipe"
seed = 0

[augment]
color = 0.0
cutout = 0.0
mirror = false
noise = 0.0
probability = 1.0
translation = 0.0

[data]
captions = "plain"
kind = "procedural"
memory_mib = 2048
seed = 0
test_images = 500
train_images = 12000
val_images = 500

[ema]
half_life_kimg = 2.0
ramp_up = 0.05

[gan]
channels = [96, 96, 64, 48]
code_size = 96
compat = "t2f"
compressed_size = 64
conditioning = "relu"
discriminator = "progressive"
generator = "progressive"
head = "concat"
latent_size = 128
modulation = false
noise_inputs = false
resample = "nearest"
residual = false
resolution = 32
stddev_group = 4

[loader]
caption_dropout = 0.0
hard_negatives = 0.0
texts = 0
word_dropout = 0.0
workers = 1

[loss.adversarial]
drift = 0.001
kind = "wgan-gp"
lambda = 10.0
matching_aware = true

[loss.adversarial.r1]
gamma = 0.0
interval = 16
sigma = 0.0

[loss.adversarial.r2]
gamma = 0.0
interval = 16
sigma = 0.0

[loss.attributes]
capped = false
classifier = []
noise = 0.0
prior = false
text_weight = 0.0
weight = 0.0

[loss.conditioning]
kl_weight = 1.0

[loss.contrast]
size = 0
temperature = 0.1
weight = 1.0

[loss.drifting]
radii = [0.02, 0.05, 0.2]
weight = 0.0

[loss.reconstruction]
encoder = [48, 64, 64]
kl_weight = 0.01
weight = 0.0

[optimizer]
n_critic = 1
reset_at_level = false
text_learns_from_discriminator = false

[optimizer.classifier]
beta1 = 0.9
beta2 = 0.99
epsilon = 0.00000001
lr = 0.001

[optimizer.discriminator]
beta1 = 0.0
beta2 = 0.99
epsilon = 0.00000001
lr = 0.001

[optimizer.generator]
beta1 = 0.0
beta2 = 0.99
epsilon = 0.00000001
lr = 0.001

[optimizer.text]
beta1 = 0.0
beta2 = 0.99
epsilon = 0.00000001
lr = 0.001

[output]
checkpoint_kimg = 5.0
keep_checkpoints = 3
metrics_images = 500
metrics_kimg = 0.0
patience_kimg = 0.0
sample_kimg = 5.0
samples = 24
stop = false
tensorboard = false
tick_kimg = 0.5

[schedule]
anneal_kimg = 0.0
batch_sizes = [16]
fade_kimg = [0.0, 0.3, 0.5, 1.0]
stable_kimg = [0.3, 0.7, 7.0, 10.0]

[text]
bidirectional = false
compat = "t2f"
embedding_size = 64
hidden_size = 128
kind = "lstm"
layers = 1
max_length = 100
min_frequency = 1
pooling = "max"
vocabulary_size = 10000
END_OF_CONFIGURATION
t2f train --config "$config" "$@"
rm "$config"
