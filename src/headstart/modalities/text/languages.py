"""Language identification, offline by py3langid (Lui and Baldwin 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from headstart.modalities.text.scripts import SAMPLE_LENGTH, is_unspaced

#: Language of a text with too few letters (ISO 639-2: undetermined).
UNKNOWN = "und"

MISSING = "Languages were not looked for: install the extra with `pip install 'headstart[audit]'`."

#: Names of the languages that are told apart, by their codes of ISO 639-1, or else of ISO 639-3.
_NAMES = {
    **{"af": "Afrikaans", "am": "Amharic", "an": "Aragonese", "ar": "Arabic", "as": "Assamese"},
    **{"az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali"},
    **{"br": "Breton", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh"},
    **{"da": "Danish", "de": "German", "dz": "Dzongkha", "el": "Greek", "en": "English"},
    **{"eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian"},
    **{"fi": "Finnish", "fo": "Faroese", "fr": "French", "ga": "Irish", "gl": "Galician"},
    **{"gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "ht": "Haitian"},
    **{"hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic"},
    **{"it": "Italian", "ja": "Japanese", "jv": "Javanese", "ka": "Georgian", "kk": "Kazakh"},
    **{"km": "Khmer", "kn": "Kannada", "ko": "Korean", "ku": "Kurdish", "ky": "Kyrgyz"},
    **{"la": "Latin", "lb": "Luxembourgish", "lo": "Lao", "lt": "Lithuanian", "lv": "Latvian"},
    **{"mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian"},
    **{"mr": "Marathi", "ms": "Malay", "mt": "Maltese", "nb": "Bokmål", "ne": "Nepali"},
    **{"nl": "Dutch", "nn": "Nynorsk", "no": "Norwegian", "oc": "Occitan", "or": "Odia"},
    **{"pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "qu": "Quechua"},
    **{"ro": "Romanian", "ru": "Russian", "rw": "Kinyarwanda", "se": "Sámi", "si": "Sinhala"},
    **{"sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish"},
    **{"sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog"},
    **{"tr": "Turkish", "ug": "Uyghur", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese"},
    **{"vo": "Volapük", "wa": "Walloon", "xh": "Xhosa", "zh": "Chinese", "zu": "Zulu"},
    **{"ace": "Acehnese", "ary": "Moroccan Arabic", "arz": "Egyptian Arabic", "ba": "Bashkir"},
    **{"bcl": "Central Bikol", "crh": "Crimean Tatar", "ext": "Extremaduran", "fuv": "Fulfulde"},
    **{"fy": "Frisian", "gcf": "Guadeloupean Creole", "gcr": "Guianese Creole"},
    **{"gd": "Scottish Gaelic", "gom": "Konkani", "grc": "Ancient Greek", "gug": "Guarani"},
    **{"guw": "Gun", "ha": "Hausa", "hbo": "Ancient Hebrew", "ig": "Igbo", "kab": "Kabyle"},
    **{"kik": "Kikuyu", "lg": "Luganda", "lij": "Ligurian", "ln": "Lingala", "ltg": "Latgalian"},
    **{"my": "Burmese", "nso": "Northern Sotho", "om": "Oromo", "pcm": "Nigerian Pidgin"},
    **{"sa": "Sanskrit", "sdh": "Southern Kurdish", "sn": "Shona", "so": "Somali"},
    **{"st": "Sotho", "tg": "Tajik", "tk": "Turkmen", "tt": "Tatar", "uz": "Uzbek"},
    **{"uzs": "Southern Uzbek", "vec": "Venetian", "wuu": "Wu Chinese", "yo": "Yoruba"},
    **{"yue": "Cantonese", "zxx": "no language"},
}

#: Fewest letters for detection, in general and in scripts without spaces.
_MIN_LETTERS, _MIN_DENSE_LETTERS = 20, 4


def available() -> bool:
    """Return whether languages can be detected: the extra ``audit`` is installed."""
    return find_spec("py3langid") is not None


def languages(texts: Sequence[str]) -> list[str]:
    """Return the language of each text, as its code of ISO 639-1 or 639-3, or :data:`UNKNOWN`."""
    classify = import_module("py3langid").classify
    return [
        classify(text[:SAMPLE_LENGTH])[0] if _is_long_enough(text[:SAMPLE_LENGTH]) else UNKNOWN
        for text in texts
    ]


def name_of(code: str) -> str:
    """Return the name of a language, such as ``German`` for ``de``."""
    return "too short to tell" if code == UNKNOWN else _NAMES.get(code, code)


def _is_long_enough(text: str) -> bool:
    least = _MIN_DENSE_LETTERS if is_unspaced([text]) else _MIN_LETTERS
    return sum(map(str.isalpha, text)) >= least
