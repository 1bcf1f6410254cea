"""Transformers, made quiet; it takes seconds, so it is imported where a network is made."""

from __future__ import annotations

from transformers import AutoModel as AutoModel
from transformers import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
from transformers import BertConfig as BertConfig
from transformers import BertModel as BertModel
from transformers import LlamaConfig as LlamaConfig
from transformers import LlamaModel as LlamaModel
from transformers import ModernBertConfig as ModernBertConfig
from transformers import ModernBertModel as ModernBertModel
from transformers import T5Config as T5Config
from transformers import T5ForConditionalGeneration as T5ForConditionalGeneration
from transformers import XLNetConfig as XLNetConfig
from transformers import XLNetModel as XLNetModel
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
