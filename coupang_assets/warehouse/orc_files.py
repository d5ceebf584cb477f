"""ORC files of a day partition as one Arrow dataset.

Belongs here: opening the files and finding what is wrong with them. Does not: where they are.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs, orc

from coupang_assets.errors import CoupangAssetsError


class DirectReadError(Exception):
    """The files cannot be read in the table's stead; the message says why."""


def orc_dataset(what: str, files: Sequence[str], filesystem: fs.FileSystem, columns: Sequence[str]) -> ds.Dataset:
    """The files of ``what`` as one dataset of ``columns``; every footer is read now, rows when it is scanned.

    Raises:
        CoupangAssetsError: a file is torn.
        DirectReadError: the files do not hold the columns under their names and with one type each, as files written
            by old versions of Hive (``_col0``, …) or before a change of the table, or they may not be read.
    """
    schema: pa.Schema | None = None
    for file in files:
        found = orc_schema(what, file, filesystem)
        if missing := [name for name in columns if name not in found.names]:
            raise DirectReadError(f"{file} has no column {', '.join(missing)}; it has {', '.join(found.names)}")
        selected = pa.schema([found.field(name) for name in columns])
        if schema is not None and selected != schema:
            raise DirectReadError(f"{file} has columns of other types than {files[0]}")
        schema = selected
    if schema is None:
        raise DirectReadError("there is no file")
    return ds.dataset(list(files), schema=schema, filesystem=filesystem, format="orc")


def orc_schema(what: str, file: str, filesystem: fs.FileSystem) -> pa.Schema:
    """The columns of one file, from its footer.

    Raises:
        CoupangAssetsError: the file is torn.
        DirectReadError: it may not be read.
    """
    try:
        with filesystem.open_input_file(file) as source:
            return orc.ORCFile(source).schema
    except (FileNotFoundError, PermissionError) as error:
        raise DirectReadError(str(error)) from None
    except (pa.ArrowInvalid, OSError) as error:
        raise CoupangAssetsError(f"{what} is torn: {file}: {error}", "load the partition again") from None
