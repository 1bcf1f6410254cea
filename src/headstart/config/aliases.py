"""What options are called in other libraries, and in this one."""

from __future__ import annotations

from collections.abc import Collection

#: From a name of elsewhere to the full name here; those with a dot are given with ``--set``.
ALIASES = {
    **dict.fromkeys(("lr", "learning_rate", "rate"), "optimizer.learning_rate"),
    **dict.fromkeys(("wd", "weight_decay"), "optimizer.weight_decay"),
    **dict.fromkeys(("warmup_ratio", "warmup_steps", "warmup"), "optimizer.warmup"),
    **dict.fromkeys(("max_grad_norm", "grad_clip", "gradient_clip", "clip"), "optimizer.clip"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "optimizer.schedule"),
    **dict.fromkeys(("optim", "optimizer", "optimizer_name"), "optimizer.name"),
    **dict.fromkeys(("epochs", "epoch", "num_epochs", "num_train_epochs", "max_epochs"), "budget"),
    **dict.fromkeys(("steps", "max_steps", "time", "minutes"), "budget"),
    **dict.fromkeys(("bs", "batch", "per_device_train_batch_size"), "batch_size"),
    **dict.fromkeys(("grad_accum", "gradient_accumulation_steps"), "accumulate"),
    **dict.fromkeys(("max_length", "max_len", "max_seq_length", "seq_len"), "length"),
    **dict.fromkeys(("image_size", "img_size", "resolution"), "length"),
    **dict.fromkeys(("num_workers", "n_jobs"), "workers"),
    **dict.fromkeys(("gpus", "num_gpus", "nproc_per_node"), "devices"),
    **dict.fromkeys(("fp16", "bf16", "amp"), "precision"),
    **dict.fromkeys(
        ("model", "model_name", "model_name_or_path", "backbone", "arch", "pretrained"), "encoder"
    ),
    **dict.fromkeys(("loss", "pretext"), "objective"),
    **dict.fromkeys(("output", "output_dir", "output_file", "save", "save_dir"), "out"),
    **dict.fromkeys(("random_state", "random_seed"), "seed"),
    **dict.fromkeys(("early_stopping", "early_stopping_patience"), "patience"),
    **dict.fromkeys(("validation", "valid", "dev", "eval", "eval_file"), "val"),
    **dict.fromkeys(("num_labels", "n_labels"), "labels"),
    **dict.fromkeys(("k", "n", "top", "top_k", "topk", "limit", "n_results"), "count"),
    **dict.fromkeys(("cv", "kfold", "k_fold", "n_splits", "n_folds"), "folds"),
    **dict.fromkeys(("label", "target_class"), "class_"),
    **dict.fromkeys(("force", "yes", "replace"), "overwrite"),
    **dict.fromkeys(("resume_from", "resume_from_checkpoint"), "resume"),
    **dict.fromkeys(("val_split", "valid_size", "validation_split"), "validation_share"),
    **dict.fromkeys(("test_file", "test_data"), "test"),
    "data": "users",
    **dict.fromkeys(("classes", "class_names"), "names"),
    **dict.fromkeys(("max_tokens", "max_new_tokens"), "tokens"),
    **dict.fromkeys(("text_column", "text_col", "image_column", "label_col"), "columns"),
}


def meant(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence about an option that other libraries have; "" for others.

    Args:
        name: as it was given; of ``optimizer.lr`` the last part counts.
        known: the full names of the options that there are.

    >>> meant("lr", ["optimizer.learning_rate", "seed"])
    "; it is called 'optimizer.learning_rate' here."
    """
    last = name.rpartition(".")[2].replace("-", "_")
    found = next((each for each in (last, ALIASES.get(last)) if each in known), None)
    if found is None or found == name:
        return ""
    example = ", with values such as 3epochs, 5000steps or 30min" if found == "budget" else ""
    return f"; it is called {found!r} here{example}."
