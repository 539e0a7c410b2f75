"""What is known about each image set: names, sizes, default numbers of examples, where it comes
from. Readers of the files themselves are in the modules beside this one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IMAGE_SETS", "ImageSet"]


@dataclass(frozen=True, slots=True)
class ImageSet:
    """One image set.

    `pair` and `all` are the default (train, valid, test) numbers of examples of a task with two
    classes and with all of them. Examples come from the first `pool` training images of a class.
    `folders` are the sub-folders of the data folder that may hold the `files`, and the
    `test_files`, of the set's own test images.
    """

    name: str
    sentence: str
    pixels: int
    classes: int
    pair: tuple[int, int, int]
    all: tuple[int, int, int]
    pool: int
    folders: tuple[str, ...]
    files: tuple[str, ...]
    page: str
    test_files: tuple[str, ...] = ()


_PAPER = (8000, 1000, 1000)
_IDX = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
_IDX_TEST = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")

IMAGE_SETS: dict[str, ImageSet] = {
    info.name: info
    for info in (
        ImageSet(
            name="digits",
            sentence="8x8 handwritten digits, bundled with scikit-learn: 1,797 images.",
            pixels=64,
            classes=10,
            # The smallest class has 174 images: 120 + 30 + 24.
            pair=(240, 60, 48),
            all=(1200, 300, 240),
            pool=5000,
            folders=(),
            files=(),
            page="",
        ),
        ImageSet(
            name="mnist",
            sentence="28x28 handwritten digits: 60,000 training images.",
            pixels=784,
            classes=10,
            pair=_PAPER,
            all=_PAPER,
            pool=5000,
            folders=("mnist", "MNIST", "MNIST/raw"),
            files=_IDX,
            page="THE MNIST DATABASE of handwritten digits, yann.lecun.com/exdb/mnist",
            test_files=_IDX_TEST,
        ),
        ImageSet(
            name="fashion-mnist",
            sentence="28x28 pictures of clothes: 60,000 training images.",
            pixels=784,
            classes=10,
            pair=_PAPER,
            all=_PAPER,
            pool=5000,
            folders=("fashion-mnist", "fashion_mnist", "FashionMNIST", "FashionMNIST/raw"),
            files=_IDX,
            page="Fashion-MNIST, github.com/zalandoresearch/fashion-mnist",
            test_files=_IDX_TEST,
        ),
        ImageSet(
            name="cifar10",
            sentence="32x32 colour photographs of animals and vehicles: 50,000 training images.",
            pixels=3072,
            classes=10,
            pair=_PAPER,
            all=_PAPER,
            pool=5000,
            folders=("cifar10", "cifar-10", "cifar-10-binary", "CIFAR10"),
            files=("cifar-10-binary.tar.gz", "cifar-10-batches-bin/data_batch_1.bin … 5.bin"),
            page="The CIFAR-10 dataset, binary version, www.cs.toronto.edu/~kriz/cifar.html",
            test_files=("cifar-10-binary.tar.gz", "cifar-10-batches-bin/test_batch.bin"),
        ),
        ImageSet(
            name="svhn",
            sentence="32x32 colour photographs of house number digits: 73,257 training images.",
            pixels=3072,
            classes=10,
            pair=_PAPER,
            all=_PAPER,
            pool=5000,
            folders=("svhn", "SVHN"),
            files=("train_32x32.mat",),
            page="The Street View House Numbers (SVHN) Dataset, format 2, "
            "ufldl.stanford.edu/housenumbers",
            test_files=("test_32x32.mat",),
        ),
        ImageSet(
            name="imagenet32",
            sentence="ImageNet downsampled to 32x32: 1,281,167 training images of 1,000 classes.",
            pixels=3072,
            classes=1000,
            # The smallest class has 732 images: 500 + 100 + 100.
            pair=(1000, 200, 200),
            all=_PAPER,
            pool=5000,
            folders=("imagenet32", "Imagenet32", "Imagenet32_train_npz", "Imagenet32_train"),
            files=("Imagenet32_train_npz.zip", "train_data_batch_1.npz … 10.npz"),
            page="Downsampled ImageNet datasets, 32x32, npz format, image-net.org/download-images",
            test_files=("Imagenet32_val_npz.zip", "val_data.npz"),
        ),
    )
}
