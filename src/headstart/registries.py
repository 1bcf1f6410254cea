"""The tables of what can be extended: one line an entry, none of which is imported here.

They stand apart from the folders they are about, which import torch, so that names are known, and
listed, in no time. Each folder hands its own on: ``from headstart.objectives import OBJECTIVES``.
"""

from headstart.registry import Registry

MODALITIES = Registry(
    "modality",
    {
        "text": "headstart.modalities.text.modality:TextModality",
        "image": "headstart.modalities.image.modality:ImageModality",
        "interactions": "headstart.modalities.interactions.modality:InteractionsModality",
        "audio": "headstart.modalities.audio.modality:AudioModality",
        "pairs": "headstart.modalities.pairs.modality:PairsModality",
    },
    group="headstart.modalities",
    members=("content", "gives", "provides", "protocols"),
)

#: Each name stands for an :class:`headstart.encoders.EncoderKind`.
ENCODERS = Registry(
    "encoder",
    {
        "light": "headstart.encoders.light:LIGHT",
        "modernbert": "headstart.encoders.transformer:MODERNBERT",
        "bert": "headstart.encoders.transformer:BERT",
        "gpt": "headstart.encoders.transformer:GPT",
        "gru": "headstart.encoders.recurrent:GRU",
        "xlnet": "headstart.encoders.xlnet:XLNET",
        "t5": "headstart.encoders.seq2seq:T5",
        "conv": "headstart.encoders.conv:CONV",
        "plain": "headstart.encoders.plain:PLAIN",
        "vit": "headstart.encoders.vit:VIT",
        "mel_conv": "headstart.encoders.mel_conv:MEL_CONV",
        "wav2vec2": "headstart.encoders.wav2vec2:WAV2VEC2",
        "conformer": "headstart.encoders.conformer:CONFORMER",
        "conv_tasnet": "headstart.encoders.conv_tasnet:CONV_TASNET",
        "wavenet": "headstart.encoders.wavenet:WAVENET",
        "towers": "headstart.encoders.towers:TOWERS",
    },
    group="headstart.encoders",
    members=("create", "reads", "provides"),
)

OBJECTIVES = Registry(
    "objective",
    {
        "mlm": "headstart.objectives.masked:MaskedModeling",
        "clm": "headstart.objectives.causal:CausalModeling",
        "nsp": "headstart.objectives.sentences:NextSentence",
        "sop": "headstart.objectives.sentences:SentenceOrder",
        "bert": "headstart.objectives.bert:BERT",
        "albert": "headstart.objectives.bert:ALBERT",
        "word_order": "headstart.objectives.word_order:WordOrder",
        "electra": "headstart.objectives.replaced:Electra",
        "prefix": "headstart.objectives.prefix:PrefixModeling",
        "unilm": "headstart.objectives.unilm:UniLM",
        "plm": "headstart.objectives.permuted:PermutedModeling",
        "span_corruption": "headstart.objectives.span_corruption:SpanCorruption",
        "bart": "headstart.objectives.bart:BART",
        "gap_sentences": "headstart.objectives.gap_sentences:GapSentences",
        "tsdae": "headstart.objectives.tsdae:TSDAE",
        "simcse": "headstart.objectives.contrastive:SimCSE",
        "contrast": "headstart.objectives.contrastive:Contrast",
        "simclr": "headstart.objectives.contrastive:SimCLR",
        "moco": "headstart.objectives.moco:MoCo",
        "byol": "headstart.objectives.siamese:BYOL",
        "simsiam": "headstart.objectives.siamese:SimSiam",
        "barlow": "headstart.objectives.redundancy:BarlowTwins",
        "vicreg": "headstart.objectives.redundancy:VICReg",
        "dino": "headstart.objectives.dino:DINO",
        "distill": "headstart.objectives.distill:Distill",
        "rotation": "headstart.objectives.rotation:Rotation",
        "relative_position": "headstart.objectives.relative_position:RelativePosition",
        "jigsaw": "headstart.objectives.jigsaw:Jigsaw",
        "colorization": "headstart.objectives.colorization:Colorization",
        "inpainting": "headstart.objectives.inpainting:Inpainting",
        "cpc": "headstart.objectives.predictive:CPC",
        "mae": "headstart.objectives.masked_images:MAE",
        "simmim": "headstart.objectives.masked_images:SimMIM",
        "masked_mel": "headstart.objectives.masked_mel:MaskedMel",
        "denoised_mel": "headstart.objectives.denoised_mel:DenoisedMel",
        "wav2vec2": "headstart.objectives.wav2vec2:Wav2Vec2",
        "hubert": "headstart.objectives.frame_targets:HuBERT",
        "best_rq": "headstart.objectives.frame_targets:BestRQ",
        "apc": "headstart.objectives.following_frames:APC",
        "frame_cpc": "headstart.objectives.following_frames:FrameCPC",
        "pit": "headstart.objectives.separation:Pit",
        "mixit": "headstart.objectives.separation:Mixit",
        "autoencoder": "headstart.objectives.reconstruction:AutoEncoder",
        "denoising": "headstart.objectives.reconstruction:Denoising",
        "vae": "headstart.objectives.variational:VAE",
        "gan": "headstart.objectives.adversarial:GAN",
        "bigan": "headstart.objectives.adversarial:BiGAN",
        "clip": "headstart.objectives.two_towers:CLIP",
        "siglip": "headstart.objectives.two_towers:SigLIP",
        "lit": "headstart.objectives.two_towers:LiT",
    },
    group="headstart.objectives",
    members=("needs", "layout", "Options"),
)

TASKS = Registry(
    "task",
    {
        "classification": "headstart.downstream.classification:Classification",
        "detection": "headstart.downstream.image.detection:Detection",
        "segmentation": "headstart.downstream.image.segmentation:Segmentation",
        "tokens": "headstart.downstream.text.tokens:TokenClassification",
        "questions": "headstart.downstream.text.questions:Questions",
        "multilabel": "headstart.downstream.multilabel:MultiLabel",
        "regression": "headstart.downstream.regression:Regression",
        "similarity": "headstart.downstream.similarity:Similarity",
        "pairs": "headstart.downstream.crossed_pairs:CrossedPairs",
        "prototypes": "headstart.downstream.prototypes:Prototypes",
        "prompt": "headstart.downstream.text.prompt:Prompt",
        "seq2seq": "headstart.downstream.text.seq2seq:Seq2Seq",
        "ctc": "headstart.downstream.audio.recognition:Recognition",
    },
    group="headstart.tasks",
    members=("build", "load"),
)

PROTOCOLS = Registry(
    "evaluation task",
    {
        "classification": "headstart.evaluation.protocols.classification:PROTOCOL",
        "multilabel": "headstart.evaluation.protocols.multilabel:PROTOCOL",
        "regression": "headstart.evaluation.protocols.regression:PROTOCOL",
        "fewshot": "headstart.evaluation.protocols.fewshot:PROTOCOL",
        "similarity": "headstart.evaluation.protocols.similarity:PROTOCOL",
        "retrieval": "headstart.evaluation.protocols.retrieval:PROTOCOL",
        "clustering": "headstart.evaluation.protocols.clustering:PROTOCOL",
        "verification": "headstart.evaluation.protocols.verification:PROTOCOL",
        "perplexity": "headstart.evaluation.protocols.perplexity:PROTOCOL",
        "next_item": "headstart.downstream.interactions.next_item:PROTOCOL",
        "bits_a_sample": "headstart.downstream.audio.bits_protocol:PROTOCOL",
        "cross_retrieval": "headstart.downstream.pairs.cross_retrieval:PROTOCOL",
    },
    group="headstart.protocols",
    members=("about", "needs"),
)

#: Each name stands for a :class:`headstart.deployment.exporting.Format`.
EXPORTS = Registry(
    "export format",
    {
        "onnx": "headstart.deployment.exporting.onnx_folder:FORMAT",
        "numpy": "headstart.deployment.exporting.numpy_table:FORMAT",
        "transformers": "headstart.deployment.exporting.transformers_folder:FORMAT",
        "sentence-transformers": "headstart.deployment.exporting.sentence_folder:FORMAT",
        "timm": "headstart.deployment.exporting.timm_folder:FORMAT",
    },
    group="headstart.exports",
    members=("about", "write"),
)

#: The tables by the word for their entries in `headstart list`.
FAMILIES = {
    "modalities": MODALITIES,
    "encoders": ENCODERS,
    "objectives": OBJECTIVES,
    "tasks": TASKS,
    "protocols": PROTOCOLS,
    "exports": EXPORTS,
}
