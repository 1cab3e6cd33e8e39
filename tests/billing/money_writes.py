"""Finds code that writes wallets or entries, by its syntax tree.

It follows names within a module: assignments, loops, annotations and imports under another name. The models and the
database must refuse what crosses modules or is built at run time.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MODELS = {"Wallet", "Entry"}
TABLES = {"Wallet": "billing_wallet", "Entry": "billing_entry"}
COLUMNS = {"balance", "entry_count", "last_seq", "credit_limit", "order_hold", "customer", "customer_id"} | {
    *("wallet", "wallet_id", "seq", "amount", "balance_after", "kind", "key", "order_ref", "drip_ref", "memo"),
}
# Names that count as wallets and entries wherever they come from.
NAMES = {"wallet", "wallets", "entries", "held_wallet"}

LEADS_ON = {"objects", "_default_manager", "_base_manager", "model", "__class__", "__dict__", "_meta", "query"}
PASSES_ON = {
    "get_object_or_404",
    "aget_object_or_404",
    "cast",
    "next",
    "list",
    "tuple",
    "sorted",
    "reversed",
    "iter",
} | {
    *("copy", "deepcopy", "type", "vars", "enumerate", "first", "wallet_of", "open_wallet"),
}
RAW_QUERIES = {"QuerySet", "RawQuerySet", "UpdateQuery", "InsertQuery", "DeleteQuery", "Manager"}
BULK = {"update_rows", "insert_rows"}
_SYNC = {"save", "create", "update", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
_RELATED = {"add", "set", "remove", "clear"}
WRITES = {
    *_SYNC,
    *_RELATED,
    *(f"a{name}" for name in _SYNC | _RELATED),
    *("save_base", "_raw_delete", "_update", "_insert", "_do_insert", "_do_update", "__setattr__"),
}
SQL = re.compile(
    r"\b(?:UPDATE(?:\s+OR\s+\w+)?|(?:INSERT(?:\s+OR\s+\w+)?|REPLACE|MERGE)\s+INTO|DELETE\s+FROM|COPY"
    r"|TRUNCATE(?:\s+TABLE)?|(?:ALTER|DROP)\s+TABLE(?:\s+IF\s+EXISTS)?)\s+(?:ONLY\s+)?"
    r"(?:[\"`\[]?\w+[\"`\]]?\s*\.\s*)?[\"`\[]?billing_(?:wallet|entry)\b",
    re.IGNORECASE,
)


def money_writes(source: str) -> list[str]:
    """Return what in `source` writes wallets or entries, as "line: code"."""
    return _Module(ast.parse(source)).found()


class _Module:
    def __init__(self, tree: ast.Module) -> None:
        self.nodes = list(ast.walk(tree))
        self.models = set(MODELS)
        self.names = set(NAMES)
        self.texts: dict[str, str] = {}
        self._learn_names()

    def found(self) -> list[str]:
        lines = {
            node.lineno: node
            for node in reversed(self.nodes)
            if isinstance(node, ast.expr | ast.stmt) and self.writes(node)
        }
        return [f"{line}: {ast.unparse(node)[:100]}" for line, node in sorted(lines.items())]

    # -- what is a wallet or an entry ------------------------------------------------------------------

    def _learn_names(self) -> None:
        before = None
        while before != (known := (len(self.models), len(self.names), len(self.texts))):
            before = known
            for node in self.nodes:
                self._learn(node)

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom):
            self.models.update(one.asname for one in node.names if one.name in MODELS and one.asname)
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            words = set(re.findall(r"\w+", ast.unparse(node.annotation)))
            if words & self.models:
                self._name(ast.Name(node.arg) if isinstance(node, ast.arg) else node.target)
        for target, value in _bindings(node):
            if isinstance(target, ast.Name) and (text := self.text(value)):
                self.texts.setdefault(target.id, text)
            if isinstance(target, ast.Name) and self.is_model(value):
                self.models.add(target.id)
            elif self.is_money(value):
                self._name(target)

    def _name(self, target: ast.AST) -> None:
        self.names.update(one.id for one in ast.walk(target) if isinstance(one, ast.Name) and one.id != "_")

    def is_model(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self.models
        if isinstance(node, ast.Attribute):
            return node.attr in MODELS
        if isinstance(node, ast.Call) and _last_name(node.func) == "get_model":
            named = " ".join(str(one.value) for one in node.args if isinstance(one, ast.Constant)).lower()
            return "billing" in named and named.endswith(("wallet", "entry"))
        return False

    def is_money(self, node: ast.AST) -> bool:
        match node:
            case ast.Name(id=name):
                return name in self.names or name in self.models
            case ast.Attribute(value=value, attr=attr):
                return attr in NAMES or self.is_model(node) or (attr in LEADS_ON and self.is_money(value))
            case ast.Call(func=func, args=args):
                if self.is_model(node) or _last_name(func) in {"wallet_of", "open_wallet"}:
                    return True
                if isinstance(func, ast.Attribute) and self.is_money(func.value):
                    return True
                return _last_name(func) in PASSES_ON | RAW_QUERIES and any(map(self.is_money, args))
            case (
                ast.Subscript(value=value)
                | ast.Await(value=value)
                | ast.NamedExpr(value=value)
                | ast.Starred(value=value)
            ):
                return self.is_money(value)
            case ast.IfExp(body=body, orelse=other):
                return self.is_money(body) or self.is_money(other)
            case ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values):
                return any(map(self.is_money, values))
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element) | ast.SetComp(elt=element):
                return self.is_money(element)
        return False

    # -- what writes it --------------------------------------------------------------------------------

    def writes(self, node: ast.AST) -> bool:
        match node:
            case ast.Call():
                return self._call_writes(node)
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                return any(self._is_column(one) for target in targets for one in ast.walk(target))
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                return self._is_column(target)
            case ast.Constant() | ast.JoinedStr() | ast.BinOp():
                return bool(SQL.search(self.text(node)))
        return False

    def _is_column(self, target: ast.AST) -> bool:
        return isinstance(target, ast.Attribute) and target.attr in COLUMNS and self.is_money(target.value)

    def _call_writes(self, node: ast.Call) -> bool:
        name, given = _last_name(node.func), [*node.args, *(one.value for one in node.keywords)]
        if self.is_model(node.func):
            return True
        if name in BULK | RAW_QUERIES and any(map(self.is_money, given)):
            return True
        if name in {"setattr", "getattr", "delattr", "attrgetter", "methodcaller"} and node.args:
            written = [one.value for one in node.args if isinstance(one, ast.Constant)]
            return self.is_money(node.args[0]) and (name != "getattr" or bool(WRITES.intersection(written)))
        if name in WRITES and isinstance(node.func, ast.Attribute):
            unbound = _last_name(node.func.value) in {"Model", "object", "super", *RAW_QUERIES}
            return self.is_money(node.func.value) or (unbound and any(map(self.is_money, node.args[:1])))
        return bool(SQL.search(self.text(node)))

    # -- texts -----------------------------------------------------------------------------------------

    def text(self, node: ast.AST) -> str:
        """Return the string that `node` makes, with "?" for unknown parts."""
        match node:
            case ast.Constant(value=str(value)):
                return value
            case ast.Name(id=name):
                return self.texts.get(name, "")
            case ast.Attribute(value=ast.Attribute(value=model, attr="_meta"), attr="db_table") if self.is_money(model):
                return TABLES.get(_last_name(model), "billing_wallet")
            case ast.JoinedStr(values=parts):
                return "".join(
                    self.text(one.value if isinstance(one, ast.FormattedValue) else one) or "?" for one in parts
                )
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.text(left) + self.text(right)
            case ast.BinOp(left=left, op=ast.Mod(), right=right):
                values = right.elts if isinstance(right, ast.Tuple) else [right]
                return self._filled(self.text(left), r"%s", values)
            case ast.Call(func=ast.Attribute(value=base, attr="format"), args=args, keywords=keywords):
                return self._filled(self.text(base), r"\{[^{}]*\}", [*args, *(one.value for one in keywords)])
            case ast.Call(func=func, args=[only]) if _last_name(func) in {
                "quote_name",
                "SQL",
                "Identifier",
                "dedent",
                "_quoted",
            }:
                return self.text(only)
        return ""

    def _filled(self, text: str, hole: str, values: list[ast.expr]) -> str:
        for value in values:
            text = re.sub(hole, lambda _, value=value: self.text(value) or "?", text, count=1)
        return text


def _bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.AnnAssign(target=target, value=value) if value is not None:
            yield target, value
        case ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            yield target, value
        case ast.comprehension(target=target, iter=value):
            yield target, value
        case ast.withitem(context_expr=value, optional_vars=target) if target is not None:
            yield target, value


def _last_name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return _last_name(func)
    return ""
