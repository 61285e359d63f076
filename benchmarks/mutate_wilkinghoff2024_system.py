"""Break the variants, the training, the scores and the thresholds of wilkinghoff2024.

Run: `python benchmarks/mutate_wilkinghoff2024_system.py` (about an hour). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_TRAINING = {  # mistake: (text to replace, replacement)
    "labels read in another order": (
        "return Labels(labels.classes, labels.indices[is_training])",
        "return Labels(labels.classes, labels.indices[is_training][::-1])",
    ),
    "classes of the reference": ('config.classes_from == "train"', "False"),
    "classes of training alone": ('config.classes_from == "train"', "True"),
    "classes of evaluation test clips": ('== "dev"', '!= ""'),
    "classes of evaluation test clips alone": ('== "dev"', '== "eval"'),
    "labels max": (
        'Mixup("waveform", config.mixup_probability, config.mixup_labels)',
        'Mixup("waveform", config.mixup_probability, "max")',
    ),
    "labels linear": (
        'Mixup("waveform", config.mixup_probability, config.mixup_labels)',
        'Mixup("waveform", config.mixup_probability, "linear")',
    ),
    "mixed always": (
        'Mixup("waveform", config.mixup_probability, config.mixup_labels)',
        'Mixup("waveform", 1.0, config.mixup_labels)',
    ),
    "waveforms not mixed": ('Mixup("waveform"', 'Mixup("features"'),
    "every trial alike": ("seed=context.seed", "seed=0"),
    "every epoch from the start": ("first_epoch=first_epoch", "first_epoch=0"),
    "too few steps": (
        "math.ceil(len(clips) / config.batch_size)",
        "len(clips) // config.batch_size",
    ),
    "first epoch kept": ("keep_epochs=(config.epochs,)", "keep_epochs=(1, config.epochs)"),
    "guard not told": ("for note in guard_notes(classifier):", "for note in ():"),
    "scale not recorded": ("watch=scale_values", "watch=lambda model: {}"),
    "heard from the start": (
        "clips,\n            config.clip_length,\n            _KEEP[config.length_rule]",
        'clips,\n            config.clip_length,\n            "start"',
    ),
    "represented from the start": ("keep=_KEEP[config.length_rule]", 'keep="start"'),
    "windows swapped": (
        '{"tile_start": "start", "tile_random": "random"}',
        '{"tile_start": "random", "tile_random": "start"}',
    ),
    "the end kept": ('"tile_start": "start"', '"tile_start": "end"'),
    "classifier as embedding": (
        'classifier.get_layer("network")}',
        "classifier}",
    ),
    "short clips not told": (
        "longest <= config.clip_length / 2",
        "longest < config.clip_length / 2",
    ),
    "one label set": (
        'if config.variant == "ic_compactness_cce" else ("classes",)',
        "if False else ('classes',)",
    ),
}
_MODEL = {
    "decay left out": ("weight_decay=config.weight_decay,\n        ),", "),"),
    "wiring of the recipe ignored": (
        "first_block_norm=config.block_norm",
        'first_block_norm="shortcut"',
    ),
    "corrected is not": (
        "first_block_norm=config.block_norm",
        "first_block_norm=config.first_block_norm",
    ),
    "wiring swapped": (
        'return "residual" if self.variant == "corrected"',
        'return "shortcut" if self.variant == "corrected"',
    ),
    "embedding of the paper": ("embedding_dim=config.embedding_dim", "embedding_dim=512"),
    "window of the paper": ("window_length=config.window_length", "window_length=1024"),
    "hop of the paper": ("hop_length=config.hop_length", "hop_length=512"),
    "no loss weights": (", loss_weights=loss_weights", ""),
    "learning rate of Keras": (
        "keras.optimizers.Adam(config.learning_rate)",
        "keras.optimizers.Adam(0.01)",
    ),
    "weight of the cross-entropy on compactness": (
        '"compactness": (compactness(name="compactness"), CompactnessLoss(), 1.0)',
        '"compactness": (compactness(name="compactness"), CompactnessLoss(), config.cce_weight)',
    ),
    "weight of the cross-entropy ignored": (
        "MixedCrossEntropy(), config.cce_weight",
        "MixedCrossEntropy(), 1.0",
    ),
    "compactness not normalized": (
        "normalize=config.normalize_compactness",
        "normalize=False",
    ),
    "compactness always normalized": (
        "normalize=config.normalize_compactness",
        "normalize=True",
    ),
    "compactness trained by cross-entropy": (
        'compactness(name="classes"), CompactnessLoss()',
        'compactness(name="classes"), MixedCrossEntropy()',
    ),
    "compactness with trained centers": (
        "normalize=config.normalize_compactness,\n"
        "            trainable_centers=config.trainable_centers",
        "normalize=config.normalize_compactness,\n            trainable_centers=True",
    ),
    "ArcFace of its defaults": ("scale=config.arcface_scale", "scale=64.0"),
    "ArcFace with trained centers": (
        "scale=config.arcface_scale,\n            trainable_centers=config.trainable_centers",
        "scale=config.arcface_scale,\n            trainable_centers=True",
    ),
    "ArcFace loss of its defaults": (
        "ArcFaceCrossEntropy(config.arcface_margin_rad, config.arcface_scale)",
        "ArcFaceCrossEntropy()",
    ),
    "ArcFace without a margin": (
        "ArcFaceCrossEntropy(config.arcface_margin_rad, config.arcface_scale)",
        "MixedCrossEntropy()",
    ),
    "centers trained": (
        '"trainable_centers": config.trainable_centers',
        '"trainable_centers": True',
    ),
    "update of the scale": ('"scale_update": config.scale_update', '"scale_update": "guarded"'),
    "floor and ceiling": (
        '"scale_floor": config.scale_floor',
        '"scale_floor": 0.5',
    ),
    "ceiling of the default": (
        '"scale_ceiling": config.scale_ceiling',
        '"scale_ceiling": 64.0',
    ),
    "AdaCos with sub-clusters": ('1 if config.variant == "adacos"', "2 if False"),
    "sub-clusters by subspaces": (
        'config.variant == "adacos" else config.num_subclusters',
        'config.variant == "adacos" else config.subspace_dimension',
    ),
    "subspaces by sub-clusters": (
        "AdaProj(num_classes, config.subspace_dim,",
        "AdaProj(num_classes, config.num_subclusters,",
    ),
    "Figure 2 of the recipe": ("config.subspace_dim,", "config.subspace_dimension,"),
    "linear layer has a bias": ("use_bias=False", "use_bias=True"),
    "linear layer without decay": (
        "kernel_regularizer=keras.regularizers.L2(config.weight_decay)",
        "kernel_regularizer=None",
    ),
    "linear layer on raw embeddings": (
        "unit_vectors(embedding, axis=-1) if config.normalize_compactness else embedding",
        "embedding",
    ),
    "linear layer on unit embeddings always": (
        "unit_vectors(embedding, axis=-1) if config.normalize_compactness else embedding",
        "unit_vectors(embedding, axis=-1)",
    ),
}
_SCORES = {
    "embeddings of any length": (
        'normalize(representations.clips["embedding"][rows].astype("float64"))',
        'representations.clips["embedding"][rows].astype("float64")',
    ),
    "single precision": (
        '[rows].astype("float64")',
        "[rows]",
    ),
    "source and target swapped": (
        "fit(embeddings[is_source], embeddings[is_target])",
        "fit(embeddings[is_target], embeddings[is_source])",
    ),
    "target clips among the source": (
        "fit(embeddings[is_source], embeddings[is_target])",
        "fit(embeddings[is_source | is_target], embeddings[is_target])",
    ),
    "no target clips": (
        "fit(embeddings[is_source], embeddings[is_target])",
        "fit(embeddings[is_source])",
    ),
    "means of the paper": (
        "config.kmeans_clusters, normalize_means",
        "32, normalize_means",
    ),
    "means as they are": (
        "normalize_means=config.normalize_means",
        "normalize_means=False",
    ),
    "means by the trial": ("random_state=0", "random_state=seed"),
    "columns swapped": (
        'terms["source"], terms["target"], scorer',
        'terms["target"], terms["source"], scorer',
    ),
    "exemplars of other sections": (
        "rows = np.flatnonzero(sections.indices == label)",
        "rows = np.flatnonzero(sections.indices >= 0)",
    ),
    "source term is the answer": (
        'anomaly_score="combined",\n        decision',
        'anomaly_score="source",\n        decision',
    ),
    "source term decides": ('decision_score="combined"', 'decision_score="source"'),
    "parts without results": (
        'named_scores=("combined", "source", "target")',
        'named_scores=("combined",)',
    ),
    "few clips not told": ("len(scorer.centers_) < config", "0 > config"),
    "threshold per machine type": ('scored, "section"', 'scored, "machine_type"'),
    "threshold per domain": ('scored, "section"', 'scored, "section_and_domain"'),
    "threshold of the recipe ignored": (
        "percentile=config.threshold_percentile",
        "percentile=90.0",
    ),
    "threshold of all clips": (
        'scored[scored["split"] == "train"]',
        "scored",
    ),
    "threshold of source clips": (
        'scored[scored["split"] == "train"]',
        'scored[(scored["split"] == "train") & (scored["domain"] == "source")]',
    ),
    "threshold of the source term": ('columns["combined"]', 'columns["source"]'),
}
_VARIANTS = {
    "ensemble is a sum": ('combine="mean"', 'combine="sum"'),
    "ensemble of one trial": ("pools_trials=True", "pools_trials=False"),
    "ensemble of another loss": ('members={"adaproj": None}', 'members={"adacos": None}'),
    "compared by another column": (
        '{"combined": row} if row',
        '{"source": row} if row',
    ),
    "no row": ("if row in _TABLE_1 else {}", "if row in () else {}"),
    "every variant has a row": ("if row in _TABLE_1 else {}", "if row else {}"),
    "small batches in representing": (
        "batch_size=config.batch_size,\n        train",
        "batch_size=1,\n        train",
    ),
    "published AdaCos for any loss": (
        'self.scale_update != "adacos2019" or',
        "True or",
    ),
    "shorter clips": ("(_LEAST_FRAMES - 1)", "(_LEAST_FRAMES - 2)"),
    "odd embeddings": ("and self.embedding_dim % 2 == 0", ""),
    "subspace as wide as the embedding": (
        "self.subspace_dim < self.embedding_dim",
        "self.subspace_dim <= self.embedding_dim",
    ),
    "subspace of the recipe checked alone": (
        "self.subspace_dim < self.embedding_dim",
        "self.subspace_dimension < self.embedding_dim",
    ),
    "a margin of a half turn": ("< math.pi,", "< 2 * math.pi,"),
    "empty ceiling": ("self.scale_ceiling > self", "self.scale_ceiling >= self"),
    "no weight refused": ('("weight_decay", "cce_weight")', '("weight_decay",)'),
    "negative decay": ('("weight_decay", "cce_weight")', '("cce_weight",)'),
    "no scale of ArcFace refused": (
        '("learning_rate", "scale_floor", "arcface_scale")',
        '("learning_rate", "scale_floor")',
    ),
    "no floor refused": (
        '("learning_rate", "scale_floor", "arcface_scale")',
        '("learning_rate", "arcface_scale")',
    ),
}
_CHANGES = {
    ("systems/wilkinghoff2024.py", "systems"): _TRAINING | _MODEL | _SCORES | _VARIANTS,
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
