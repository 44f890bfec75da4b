"""Float networks as different people write them; none of them has heard of hwcost."""

# mypy: ignore-errors
# They are written as their authors write, without types.

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class DoubleConv(nn.Module):
    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(i, o, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
            nn.Conv2d(o, o, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    """Upscaling, padding to the size of the skip, concatenation, double conv."""

    def __init__(self, i: int, o: int, nearest: bool = True) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="nearest") if nearest else nn.ConvTranspose2d(i, i, 2, stride=2)
        self.conv = DoubleConv(i + o, o)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        dy = x2.size()[2] - x1.size()[2]
        dx = x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, n_channels: int = 3, n_classes: int = 2) -> None:
        super().__init__()
        self.inc = DoubleConv(n_channels, 8)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 16))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(16, 32))
        self.up1 = Up(32, 16)
        self.up2 = Up(16, 8, nearest=False)
        self.outc = nn.Conv2d(8, n_classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x = self.up1(x3, x2)
        x = self.up2(x, x1)
        return self.outc(x)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.inplanes = 8
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = self._make_layer(8, 2)
        self.layer2 = self._make_layer(16, 1, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, num_classes)

    def _make_layer(self, planes, blocks, stride=1):
        downsample = None
        if stride != 1 or self.inplanes != planes:
            downsample = nn.Sequential(nn.Conv2d(self.inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
        layers = [BasicBlock(self.inplanes, planes, stride, downsample)]
        self.inplanes = planes
        layers += [BasicBlock(planes, planes) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.fc(x)


class M5(nn.Module):
    """A keyword spotter on raw sound."""

    def __init__(self, n_input=1, n_output=6, stride=4, n_channel=8):
        super().__init__()
        self.conv1 = nn.Conv1d(n_input, n_channel, kernel_size=16, stride=stride)
        self.bn1 = nn.BatchNorm1d(n_channel)
        self.pool1 = nn.MaxPool1d(4)
        self.conv2 = nn.Conv1d(n_channel, n_channel, kernel_size=3)
        self.bn2 = nn.BatchNorm1d(n_channel)
        self.pool2 = nn.MaxPool1d(2)
        self.fc1 = nn.Linear(n_channel, n_output)

    def forward(self, x):
        x = self.conv1(x)
        x = F.relu(self.bn1(x))
        x = self.pool1(x)
        x = self.conv2(x)
        x = F.relu(self.bn2(x))
        x = self.pool2(x)
        x = F.avg_pool1d(x, x.shape[-1])
        x = x.permute(0, 2, 1)
        x = self.fc1(x)
        return F.log_softmax(x.squeeze(1), dim=1)


class LeNet(nn.Module):
    """The tutorial's."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)

    def num_flat_features(self, x):
        size = x.size()[1:]
        num_features = 1
        for s in size:
            num_features *= s
        return num_features


class MLPGelu(nn.Module):
    def __init__(self, dim=16, hidden=32, depth=2, classes=5, p=0.1):
        super().__init__()
        self.stem = nn.Linear(dim, hidden)
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(p)) for _ in range(depth)]
        )
        self.head = nn.Linear(hidden, classes)

    def forward(self, x, return_features=False):
        x = F.gelu(self.stem(x))
        for block in self.blocks:
            x = x + block(x)
        if return_features:
            return x
        return self.head(x)


def _make_divisible(v: float, divisor: int = 8) -> int:
    return max(divisor, int(v + divisor / 2) // divisor * divisor)


class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduction=4):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, _make_divisible(channels / reduction), 1)
        self.fc2 = nn.Conv2d(_make_divisible(channels / reduction), channels, 1)

    def forward(self, x):
        scale = F.relu(self.fc1(self.pool(x)), inplace=True)
        scale = F.hardsigmoid(self.fc2(scale))
        return scale * x


class InvertedResidual(nn.Module):
    def __init__(self, i, exp, o, stride, use_se, act):
        super().__init__()
        self.use_res_connect = stride == 1 and i == o
        layers: list[nn.Module] = [
            nn.Conv2d(i, exp, 1, bias=False), nn.BatchNorm2d(exp), act(),
            nn.Conv2d(exp, exp, 3, stride, 1, groups=exp, bias=False), nn.BatchNorm2d(exp), act(),
        ]  # fmt: skip
        if use_se:
            layers.append(SqueezeExcite(exp))
        layers += [nn.Conv2d(exp, o, 1, bias=False), nn.BatchNorm2d(o)]
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        result = self.block(x)
        if self.use_res_connect:
            result += x
        return result


class MobileNetV3(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                stem=nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish()),
                b1=InvertedResidual(8, 16, 8, 1, True, nn.ReLU),
                b2=InvertedResidual(8, 16, 12, 2, False, nn.Hardswish),
                b3=InvertedResidual(12, 24, 12, 1, True, nn.Hardswish),
            )
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(12, 16), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(16, num_classes))

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


class Functional(nn.Module):
    """Everything that has no weights is a function."""

    def __init__(self):
        super().__init__()
        self.c1, self.c2, self.c3 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(16, 8, 1)
        self.bn = nn.BatchNorm2d(8)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        assert x.shape[1] == 3, "three colours"
        x = torch.relu(self.c1(x))
        y = F.leaky_relu(self.bn(self.c2(x)), 0.1)
        z = torch.cat((x, y), dim=1)
        z = torch.clamp(self.c3(z), 0, 6)
        z = torch.add(z, x)
        z = z.mul(0.5)
        z = F.dropout(z, 0.1, self.training)
        return F.softmax(self.out(z.mean([2, 3])), dim=-1)


class Chomp1d(nn.Module):
    def __init__(self, chomp_size):
        super().__init__()
        self.chomp_size = chomp_size

    def forward(self, x):
        return x[:, :, : -self.chomp_size].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, n_inputs, n_outputs, kernel_size, stride, dilation, padding, dropout=0.2):
        super().__init__()
        self.conv1 = nn.Conv1d(n_inputs, n_outputs, kernel_size, stride=stride, padding=padding, dilation=dilation)
        self.chomp1 = Chomp1d(padding)
        self.relu1 = nn.ReLU()
        self.dropout1 = nn.Dropout(dropout)
        self.conv2 = nn.Conv1d(n_outputs, n_outputs, kernel_size, stride=stride, padding=padding, dilation=dilation)
        self.chomp2 = Chomp1d(padding)
        self.relu2 = nn.ReLU()
        self.dropout2 = nn.Dropout(dropout)
        self.net = nn.Sequential(
            self.conv1, self.chomp1, self.relu1, self.dropout1, self.conv2, self.chomp2, self.relu2, self.dropout2
        )
        self.downsample = nn.Conv1d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else None
        self.relu = nn.ReLU()

    def forward(self, x):
        out = self.net(x)
        res = x if self.downsample is None else self.downsample(x)
        return self.relu(out + res)


class TCN(nn.Module):
    def __init__(self, input_size=4, output_size=3, num_channels=(8, 8), kernel_size=3):
        super().__init__()
        layers = []
        for i, out_channels in enumerate(num_channels):
            in_channels = input_size if i == 0 else num_channels[i - 1]
            d = 2**i
            layers += [TemporalBlock(in_channels, out_channels, kernel_size, 1, d, (kernel_size - 1) * d)]
        self.network = nn.Sequential(*layers)
        self.linear = nn.Linear(num_channels[-1], output_size)

    def forward(self, x):
        return self.linear(self.network(x)[:, :, -1])


class VGGish(nn.Module):
    """A list of numbers that becomes a Sequential."""

    cfg = (8, "M", 16, "M")

    def __init__(self, num_classes=10, init_weights=True):
        super().__init__()
        layers: list[nn.Module] = []
        i = 3
        for v in self.cfg:
            if v == "M":
                layers += [nn.MaxPool2d(2, 2)]
            else:
                layers += [nn.Conv2d(i, v, 3, padding=1), nn.BatchNorm2d(v), nn.ReLU(True)]
                i = v
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(nn.Linear(16 * 4, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, num_classes))
        if init_weights:
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out")

    def forward(self, x):
        x = self.avgpool(self.features(x))
        x = x.view(x.size(0), -1)
        return self.classifier(x)


class Autoencoder(nn.Module):
    def __init__(self, latent=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * 16, latent)
        )
        self.decoder_input = nn.Linear(latent, 4 * 16)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1), nn.ELU(), nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid()
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        y = self.decoder_input(z).view(-1, 4, 4, 4)
        return self.decoder(y)

    def forward(self, x):
        return self.decode(self.encode(x))


class ESPCN(nn.Module):
    """Super-resolution by a pixel shuffle."""

    def __init__(self, upscale_factor=2):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(8, 8, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(8, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)

    def forward(self, x):
        x = torch.tanh(self.conv1(x))
        x = torch.tanh(self.conv2(x))
        return torch.sigmoid_(self.pixel_shuffle(self.conv3(x)))


class DenseLayer(nn.Sequential):
    def __init__(self, i, growth):
        super().__init__()
        self.add_module("norm1", nn.BatchNorm2d(i))
        self.add_module("relu1", nn.ReLU(inplace=True))
        self.add_module("conv1", nn.Conv2d(i, growth, 3, padding=1, bias=False))

    def forward(self, x):
        return torch.cat([x, super().forward(x)], 1)


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, 8, 3, padding=1, bias=False))
        for n in range(2):
            self.features.add_module(f"dense{n}", DenseLayer(8 + 4 * n, 4))
        self.features.add_module("norm5", nn.BatchNorm2d(16))
        self.classifier = nn.Linear(16, 10)

    def forward(self, x):
        features = self.features(x)
        out = F.relu(features, inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1)).view(features.size(0), -1)
        return self.classifier(out)


class ShuffleUnit(nn.Module):
    """Half of the channels pass, the other half is convolved."""

    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x):
        x1, x2 = x.chunk(2, dim=1)
        return torch.cat((x1, self.branch(x2)), dim=1)


class ShuffleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.SiLU())
        self.units = nn.ModuleList(ShuffleUnit(8) for _ in range(2))
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = self.conv(x)
        for unit in self.units:
            x = unit(x)
        x = x.mean(3).mean(2) if False else x.mean(dim=(2, 3))
        return self.fc(x)


class GLUNet(nn.Module):
    """Gated linear units on a sequence, with hooks of habit: split, sigmoid, product, last step."""

    def __init__(self, d=6, h=8, classes=3):
        super().__init__()
        self.proj = nn.Linear(d, 2 * h)
        self.conv = nn.Conv1d(h, 2 * h, 3, padding=2)
        self.out = nn.Linear(h, classes)
        self.h = h

    def forward(self, x):
        a, b = torch.split(self.proj(x), self.h, dim=-1)
        x = a * torch.sigmoid(b)
        y = self.conv(x.transpose(1, 2))[..., :-2]
        a, b = y.chunk(2, 1)
        y = a * b.sigmoid()
        return self.out(y.transpose(1, 2)[:, -1, :])


class Video3D(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(), nn.Conv3d(4, 4, 3, stride=2), nn.PReLU(4)
        )
        self.fc = nn.Linear(4, 2)

    def forward(self, clip):
        f = self.body(clip)
        return self.fc(f.mean((-3, -2, -1)))


leaky = partial(nn.LeakyReLU, 0.1)


def conv_bn_act(i: int, o: int, k: int = 3, act: Callable[[], nn.Module] = leaky) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, k, padding=k // 2, bias=False), nn.BatchNorm2d(o), act())


class TinyYolo(nn.Module):
    """Two heads, routes and upsampling, residuals in a loop over a ModuleDict."""

    def __init__(self):
        super().__init__()
        self.stem = conv_bn_act(3, 8)
        self.stages = nn.ModuleDict({"s1": conv_bn_act(8, 8), "s2": conv_bn_act(8, 16)})
        self.head_small = nn.Conv2d(16, 6, 1)
        self.reduce = conv_bn_act(16, 8, 1)
        self.head_large = nn.Conv2d(16, 6, 1)

    def forward(self, x):
        x = F.max_pool2d(self.stem(x), 2)
        skip = x + self.stages["s1"](x)
        deep = self.stages["s2"](F.max_pool2d(skip, 2, 2))
        up = F.interpolate(self.reduce(deep), scale_factor=2)
        return self.head_small(deep), self.head_large(torch.cat([up, skip], 1))


class PlainSiren(nn.Module):
    """A network of numbers: normalisation written out, exponential at the end."""

    def __init__(self):
        super().__init__()
        self.l1, self.l2, self.l3 = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, t: Tensor, scale: float = 2.0):
        t = (t - 0.5) * scale
        h = F.silu(self.l1(t))
        h = h + F.silu(self.l2(h))
        h = F.elu(h) / 2
        return torch.exp(self.l3(h) * 0.25)


class PatchEmbedding(nn.Module):
    def __init__(self, img_size=8, patch_size=2, in_chans=3, embed_dim=16):
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Block(nn.Module):
    """Pre-norm, as timm writes it."""

    def __init__(self, dim, num_heads, mlp_ratio=2.0, drop=0.1):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.MultiheadAttention(dim, num_heads, dropout=drop, batch_first=True)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, int(dim * mlp_ratio)), nn.GELU(), nn.Dropout(drop), nn.Linear(int(dim * mlp_ratio), dim)
        )

    def forward(self, x):
        h = self.norm1(x)
        a, _ = self.attn(h, h, h)
        x = x + a
        return x + self.mlp(self.norm2(x))


class ViTTiny(nn.Module):
    def __init__(self, num_classes=10, dim=16, depth=2, heads=2):
        super().__init__()
        self.patch_embed = PatchEmbedding(embed_dim=dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.randn(1, self.patch_embed.num_patches + 1, dim) * 0.02)
        self.pos_drop = nn.Dropout(0.1)
        self.blocks = nn.ModuleList([Block(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def forward(self, x):
        B = x.shape[0]
        x = self.patch_embed(x)
        cls = self.cls_token.expand(B, -1, -1)
        x = torch.cat((cls, x), dim=1)
        x = self.pos_drop(x + self.pos_embed)
        for blk in self.blocks:
            x = blk(x)
        x = self.norm(x)
        return self.head(x[:, 0])


class ConvGRU(nn.Module):
    """A keyword spotter: convolutions over spectra, a GRU, its last state."""

    def __init__(self, n_mels=10, hidden=16, n_classes=6):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(n_mels, 12, kernel_size=5, stride=2, padding=2), nn.BatchNorm1d(12), nn.ReLU(inplace=True)
        )
        self.gru = nn.GRU(12, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.fc = nn.Linear(hidden, n_classes)

    def forward(self, x):
        x = self.conv(x)
        x = x.permute(0, 2, 1)
        _, h = self.gru(x)
        return self.fc(h[-1])


class LSTMTagger(nn.Module):
    """Of the tutorial of torch: words, an LSTM, a tag for each word."""

    def __init__(self, embedding_dim=8, hidden_dim=12, vocab_size=30, tagset_size=4):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.word_embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, batch_first=True)
        self.hidden2tag = nn.Linear(hidden_dim, tagset_size)

    def forward(self, sentence):
        embeds = self.word_embeddings(sentence)
        lstm_out, _ = self.lstm(embeds)
        tag_space = self.hidden2tag(lstm_out)
        return F.log_softmax(tag_space, dim=-1)


class SensorLSTM(nn.Module):
    """A classifier of sensor data that gives its state of zeros by hand."""

    def __init__(self, input_size=6, hidden_size=10, num_layers=2, num_classes=3):
        super().__init__()
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x):
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size).to(x.device)
        c0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size).to(x.device)
        out, (_hn, _cn) = self.lstm(x, (h0, c0))
        return self.fc(out[:, -1, :])


class TransformerClassifier(nn.Module):
    """nn.TransformerEncoder over tokens with a sinusoidal code, and the mean of all."""

    def __init__(self, vocab=25, d_model=16, nhead=4, layers=2, classes=3, max_len=20):
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-9.2 / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0))
        layer = nn.TransformerEncoderLayer(d_model, nhead, dim_feedforward=32, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=layers)
        self.out = nn.Linear(d_model, classes)
        self.d_model = d_model

    def forward(self, tokens):
        x = self.embed(tokens) * self.d_model**0.5
        x = x + self.pe[:, : x.size(1)]
        x = self.encoder(x)
        return self.out(x.mean(dim=1))


class TinyGPT(nn.Module):
    """Positions that are an embedding of a range; RMS norms, a gated feed-forward, all tokens seen."""

    def __init__(self, vocab_size=20, block_size=12, n_embd=16):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.ln_1 = nn.RMSNorm(n_embd)
        self.attn = nn.MultiheadAttention(n_embd, 2, bias=False, batch_first=True)
        self.ln_2 = nn.RMSNorm(n_embd)
        self.w1, self.w3 = nn.Linear(n_embd, 24, bias=False), nn.Linear(n_embd, 24, bias=False)
        self.w2 = nn.Linear(24, n_embd, bias=False)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)

    def forward(self, idx):
        _, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long)
        x = self.wte(idx) + self.wpe(pos)
        h = self.ln_1(x)
        x = x + self.attn(h, h, h, need_weights=False)[0]
        h = self.ln_2(x)
        x = x + self.w2(F.silu(self.w1(h)) * self.w3(h))
        return self.lm_head(x)


class MLPNorm(nn.Module):
    def __init__(self, d=16, h=32, classes=5):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d, h), nn.LayerNorm(h), nn.GELU(), nn.Dropout(0.1), nn.Linear(h, h), nn.LayerNorm(h), nn.GELU()
        )
        self.head = nn.Linear(h, classes)

    def forward(self, x):
        return self.head(self.net(x))


class Asking(nn.Module):
    """Python around a convolution, as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor, flag: bool = False, mask: Tensor | None = None) -> Tensor:
        assert x.shape[1] == 3, "three colours"
        assert x.dim() == 4 and x.shape[2] > 3
        if flag:
            x = x * 2
        if mask is not None:
            x = x * mask
        n, *_ = x.shape[0], 1
        y: Tensor = self.conv(x)
        left, right = y.chunk(2, dim=1)
        return torch.cat([left, right], 1).view(n, -1)


STYLES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "unet": (UNet, (3, 16, 16)),
    "resnet": (ResNet, (3, 16, 16)),
    "keywords": (M5, (1, 256)),
    "mlp gelu": (MLPGelu, (16,)),
    "mobilenet v3": (MobileNetV3, (3, 32, 32)),
    "functional": (Functional, (3, 8, 8)),
    "lenet": (LeNet, (1, 32, 32)),
    "tcn": (TCN, (4, 20)),
    "vgg": (VGGish, (3, 16, 16)),
    "autoencoder": (Autoencoder, (1, 8, 8)),
    "super-resolution": (ESPCN, (1, 8, 8)),
    "densenet": (DenseNet, (3, 8, 8)),
    "shufflenet": (ShuffleNet, (3, 16, 16)),
    "gated sequence": (GLUNet, (10, 6)),
    "video": (Video3D, (1, 6, 6, 6)),
    "yolo": (TinyYolo, (3, 16, 16)),
    "numbers": (PlainSiren, (6,)),
    "mlp norm": (MLPNorm, (16,)),
    "vit": (ViTTiny, (3, 8, 8)),
    "conv gru": (ConvGRU, (10, 21)),
    "sensor lstm": (SensorLSTM, (9, 6)),
    "tagger": (LSTMTagger, (7,)),
    "encoder": (TransformerClassifier, (9,)),
    "gpt": (TinyGPT, (6,)),
}
"""Name -> (network, shape of one sample)."""

TOKENS = {"tagger": 30, "encoder": 25, "gpt": 20}
"""Name of a network that takes tokens -> how many there are."""
