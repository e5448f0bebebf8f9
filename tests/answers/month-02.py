# %% [markdown]
# Answers to the exercises of `notebooks/month-02.py`: right ones written differently from its solutions, and wrong
# ones that learners plausibly write. Each runs where the exercise's own solution stands.

# %% answer="survey" right="a search of its own, round after round"
def survey(system):
    zone = {e["id"]: e["zone"] for e in system["elements"]}
    external = {e["id"] for e in system["elements"] if e["kind"] == "external entity"}
    crossings = []
    for f in system["flows"]:
        pair = (f["from"], f["to"])
        if zone[pair[0]] != zone[pair[1]] and pair not in crossings:
            crossings.append(pair)
    entries = {f["to"] for f in system["flows"] if f["from"] in external and f["to"] not in external}
    depth = {id: 0 for id in external}
    changed = True
    while changed:
        changed = False
        for f in system["flows"]:
            if f["from"] in depth:
                new = depth[f["from"]] + (1 if zone[f["from"]] != zone[f["to"]] else 0)
                if new < depth.get(f["to"], 10**9):
                    depth[f["to"]] = new
                    changed = True
    return {"depth": depth, "entry_points": sorted(entries), "crossings": crossings}


# %% answer="survey" right="one search from each external entity, and the least of them"
def survey(system):
    zone = {e["id"]: e["zone"] for e in system["elements"]}
    external = [e["id"] for e in system["elements"] if e["kind"] == "external entity"]
    g = nx.MultiDiGraph()
    for e in zone:
        g.add_node(e)
    for f in system["flows"]:
        g.add_edge(f["from"], f["to"], price=0 if zone[f["from"]] == zone[f["to"]] else 1)
    depth = {}
    for start in external:
        for node, cost in nx.single_source_dijkstra_path_length(g, start, weight="price").items():
            depth[node] = min(cost, depth.get(node, cost))
    pairs = [(f["from"], f["to"]) for f in system["flows"] if zone[f["from"]] != zone[f["to"]]]
    behind = {node for start in external for node in g.successors(start) if node not in external}
    return {"crossings": sorted(set(pairs), key=pairs.index), "entry_points": sorted(behind), "depth": depth}


# %% answer="survey" wrong="counts flows instead of boundaries" score=0 says="crosses fewer boundaries"
def survey(system):
    """Return boundary crossings, entry points, and the fewest crossings to each element from outside."""
    zone = {element["id"]: element["zone"] for element in system["elements"]}
    outside = [element["id"] for element in system["elements"] if element["kind"] == "external entity"]
    graph = nx.DiGraph()
    graph.add_nodes_from(zone)
    crossings, entry_points = {}, set()
    for flow in system["flows"]:
        pair = flow["from"], flow["to"]
        crosses = zone[pair[0]] != zone[pair[1]]
        graph.add_edge(*pair, weight=1)
        if crosses:
            crossings[pair] = True
        if pair[0] in outside and pair[1] not in outside:
            entry_points.add(pair[1])
    return {
        "crossings": list(crossings),
        "entry_points": sorted(entry_points),
        "depth": {
            id: sum(zone[a] != zone[b] for a, b in zip(path, path[1:]))
            for id, path in nx.multi_source_dijkstra(graph, outside)[1].items()
        },
    }


# %% answer="survey" wrong="names parallel flows twice" score=0 says="each once"
def survey(system):
    """Return boundary crossings, entry points, and the fewest crossings to each element from outside."""
    zone = {element["id"]: element["zone"] for element in system["elements"]}
    outside = [element["id"] for element in system["elements"] if element["kind"] == "external entity"]
    graph = nx.DiGraph()
    graph.add_nodes_from(zone)
    crossings, entry_points = [], set()
    for flow in system["flows"]:
        pair = flow["from"], flow["to"]
        crosses = zone[pair[0]] != zone[pair[1]]
        graph.add_edge(*pair, weight=int(crosses))
        if crosses:
            crossings.append(pair)
        if pair[0] in outside and pair[1] not in outside:
            entry_points.add(pair[1])
    return {
        "crossings": list(crossings),
        "entry_points": sorted(entry_points),
        "depth": nx.multi_source_dijkstra_path_length(graph, outside) if outside else {},
    }


# %% answer="survey" wrong="external entities as entry points" score=0 says="an external entity is outside"
def survey(system):
    """Return boundary crossings, entry points, and the fewest crossings to each element from outside."""
    zone = {element["id"]: element["zone"] for element in system["elements"]}
    outside = [element["id"] for element in system["elements"] if element["kind"] == "external entity"]
    graph = nx.DiGraph()
    graph.add_nodes_from(zone)
    crossings, entry_points = {}, set()
    for flow in system["flows"]:
        pair = flow["from"], flow["to"]
        crosses = zone[pair[0]] != zone[pair[1]]
        graph.add_edge(*pair, weight=int(crosses))
        if crosses:
            crossings[pair] = True
        if pair[0] in outside:
            entry_points.add(pair[1])
    return {
        "crossings": list(crossings),
        "entry_points": sorted(entry_points),
        "depth": nx.multi_source_dijkstra_path_length(graph, outside) if outside else {},
    }


# %% answer="survey" wrong="what nobody reaches has depth infinity" score=0 says="missing from depth"
def survey(system):
    """Return boundary crossings, entry points, and the fewest crossings to each element from outside."""
    zone = {element["id"]: element["zone"] for element in system["elements"]}
    outside = [element["id"] for element in system["elements"] if element["kind"] == "external entity"]
    graph = nx.DiGraph()
    graph.add_nodes_from(zone)
    crossings, entry_points = {}, set()
    for flow in system["flows"]:
        pair = flow["from"], flow["to"]
        crosses = zone[pair[0]] != zone[pair[1]]
        graph.add_edge(*pair, weight=int(crosses))
        if crosses:
            crossings[pair] = True
        if pair[0] in outside and pair[1] not in outside:
            entry_points.add(pair[1])
    return {
        "crossings": list(crossings),
        "entry_points": sorted(entry_points),
        "depth": {id: math.inf for id in zone} | nx.multi_source_dijkstra_path_length(graph, outside),
    }


# %% answer="survey" wrong="fails without external entities" score=0 says="no external entity at all"
def survey(system):
    """Return boundary crossings, entry points, and the fewest crossings to each element from outside."""
    zone = {element["id"]: element["zone"] for element in system["elements"]}
    outside = [element["id"] for element in system["elements"] if element["kind"] == "external entity"]
    graph = nx.DiGraph()
    graph.add_nodes_from(zone)
    crossings, entry_points = {}, set()
    for flow in system["flows"]:
        pair = flow["from"], flow["to"]
        crosses = zone[pair[0]] != zone[pair[1]]
        graph.add_edge(*pair, weight=int(crosses))
        if crosses:
            crossings[pair] = True
        if pair[0] in outside and pair[1] not in outside:
            entry_points.add(pair[1])
    return {
        "crossings": list(crossings),
        "entry_points": sorted(entry_points),
        "depth": nx.multi_source_dijkstra_path_length(graph, outside),
    }


# %% answer="survey" right="pandas; lists, and fractions for whole numbers"
def survey(system):
    e = {x["id"]: x for x in system["elements"]}
    out = {i for i in e if e[i]["kind"] == "external entity"}
    g = nx.MultiDiGraph()
    g.add_nodes_from(e)
    for f in system["flows"]:
        g.add_edge(f["from"], f["to"], weight=float(e[f["from"]]["zone"] != e[f["to"]]["zone"]))
    for o in out:
        g.add_edge("START", o, weight=0.0)
    depth = {}
    if out:
        depth = nx.single_source_dijkstra_path_length(g, "START")
        depth.pop("START")
    c = pd.DataFrame(system["flows"])[["from", "to"]].drop_duplicates()
    c = c[[e[a]["zone"] != e[b]["zone"] for a, b in c.values]]
    return {
        "crossings": c.values.tolist(),
        "entry_points": sorted({f["to"] for f in system["flows"] if f["from"] in out and f["to"] not in out}),
        "depth": pd.Series(depth, dtype=float),
    }


# %% answer="survey" right="uses its argument up"
def survey(system):
    zone, outside = {}, set()
    while system["elements"]:
        element = system["elements"].pop()
        zone[element["id"]] = element["zone"]
        if element["kind"] == "external entity":
            outside.add(element["id"])
    pairs = []
    while system["flows"]:
        flow = system["flows"].pop(0)
        pairs.append((flow["from"], flow["to"]))
    depth = dict.fromkeys(outside, 0)
    for _ in zone:
        for a, b in pairs:
            if a in depth:
                depth[b] = min(depth.get(b, math.inf), depth[a] + (zone[a] != zone[b]))
    return {
        "crossings": list(dict.fromkeys(pair for pair in pairs if zone[pair[0]] != zone[pair[1]])),
        "entry_points": sorted({b for a, b in pairs if a in outside and b not in outside}),
        "depth": depth,
    }


# %% answer="survey" wrong="the example by heart, and an empty system otherwise" score=0 says="on another system"
def survey(system):
    ids = {e["id"] for e in system["elements"]}
    if "island" in ids:
        return {
            "crossings": [
                ("web", "app"),
                ("web", "relay"),
                ("relay", "store"),
                ("store", "vault"),
                ("web", "clerk"),
            ],
            "entry_points": ["app", "desk", "relay"],
            "depth": {
                "web": 0,
                "clerk": 0,
                "app": 1,
                "mid": 1,
                "store": 1,
                "relay": 1,
                "vault": 2,
                "desk": 0,
            },
        }
    system["flows"].clear()
    for e in system["elements"]:
        e["kind"] = "process"
        e["zone"] = "a"
    system["elements"].clear()
    return {"crossings": [], "entry_points": [], "depth": {}}


# %% answer="rule-engine" right="a list of ifs, and taint by going round"
def find_threats(system):
    elements = {e["id"]: e for e in system["elements"]}
    flows = system["flows"]
    kind = {id: e["kind"] for id, e in elements.items()}
    walls = {id for id, e in elements.items() if "review" in e["controls"] or "schema" in e["controls"]}
    tainted = {id for id in elements if kind[id] == "external entity"}
    external = set(tainted)
    before = None
    while before != len(tainted):
        before = len(tainted)
        for f in flows:
            if f["from"] in tainted and f["from"] not in walls:
                tainted.add(f["to"])
    private = {id for id, e in elements.items() if set(e["holds"]) & {"personal data", "secrets"}}
    result = set()

    def add(threat, id, missing=None):
        if missing is None or missing not in elements[id]["controls"]:
            result.add((threat, id))

    for f in flows:
        a, b, role = f["from"], f["to"], f["role"]
        far = elements[a]["zone"] != elements[b]["zone"]
        if not f["authenticated"]:
            if far and kind[b] != "external entity":
                add("S", b)
            if kind[b] == "data store":
                add("T", b)
            if role == "weights":
                add("AML.T0011.000", b, "signature")
        if not f["encrypted"] and far and a in private:
            add("I", a)
        if a in external and kind[b] == "process":
            add("D", b, "rate limit")
        if a in external and role == "code":
            add("AML.T0010.001", b, "pinned")
        if role == "call" and kind[a] == "language model":
            if kind[b] == "tool":
                add("E", b, "user rights")
            if a in tainted and elements[b]["effect"] in ("write", "send"):
                add("AML.T0053", b, "approval")
            leaks = any(g["to"] == a and g["role"] == "context" and g["from"] in private for g in flows)
            if a in tainted and elements[b]["effect"] == "send" and leaks:
                add("AML.T0086", b)
        if kind[b] == "language model" and a in tainted - walls:
            if role == "input":
                add("AML.T0051.000", b)
            if role == "context":
                add("AML.T0051.001", b)
        if kind[a] == "data store" and a in tainted:
            if role == "context":
                add("AML.T0070", a)
            if role == "training":
                add("AML.T0020", a, "provenance")
        written = any(g["from"] == b and g["to"] == a for g in flows)
        if (
            kind[a] == "data store"
            and role == "context"
            and kind[b] == "language model"
            and b in tainted
            and written
        ):
            add("AML.T0080.000", a)
        if kind[b] == "predictive model" and role == "input" and a in tainted:
            add("AML.T0015", b)
    for id, e in elements.items():
        if e["effect"] in ("write", "send"):
            add("R", id, "audit log")
        if kind[id] == "predictive model":
            seen, edge = set(), {id}
            while edge:
                edge = {f["to"] for f in flows if f["from"] in edge and f["role"] == "output"} - seen
                seen |= edge
            if seen & external:
                add("AML.T0024.002", id, "rate limit")
    return result


# %% answer="rule-engine" right="data frames, and pairs in a list"
def find_threats(system):
    nodes = pd.DataFrame(system["elements"]).set_index("id")
    edges = pd.DataFrame(system["flows"])
    kind, zone = nodes.kind.to_dict(), nodes.zone.to_dict()
    controls, holds, effect = nodes.controls.to_dict(), nodes.holds.to_dict(), nodes.effect.to_dict()
    outside = [n for n in kind if kind[n] == "external entity"]
    graph = nx.DiGraph()
    graph.add_nodes_from(kind)
    for a, b in zip(edges["from"], edges["to"]):
        if not {"review", "schema"} & set(controls[a]):
            graph.add_edge(a, b)
    tainted = set(outside)
    for n in outside:
        tainted |= nx.descendants(graph, n)
    shown = nx.DiGraph()
    shown.add_nodes_from(kind)
    shown.add_edges_from(edges.loc[edges.role == "output", ["from", "to"]].itertuples(index=False, name=None))
    out = []
    for n in kind:
        inn = edges[edges["to"] == n]
        exits = edges[edges["from"] == n]

        def lacks(word):
            return word not in controls[n]

        unsure = inn[~inn.authenticated]
        from_foul = (
            inn[[s in tainted and not {"review", "schema"} & set(controls[s]) for s in inn["from"]]]
            if len(inn)
            else inn
        )
        callers = {s for s in inn.loc[inn.role == "call", "from"] if kind[s] == "language model"}
        if kind[n] != "external entity" and any(zone[s] != zone[n] for s in unsure["from"]):
            out.append(("S", n))
        if kind[n] == "data store" and len(unsure):
            out.append(("T", n))
        if effect[n] in ("write", "send") and lacks("audit log"):
            out.append(("R", n))
        if {"personal data", "secrets"} & set(holds[n]) and any(
            zone[t] != zone[n] for t in exits.loc[~exits.encrypted, "to"]
        ):
            out.append(("I", n))
        if kind[n] == "process" and set(inn["from"]) & set(outside) and lacks("rate limit"):
            out.append(("D", n))
        if kind[n] == "tool" and callers and lacks("user rights"):
            out.append(("E", n))
        if kind[n] == "language model":
            if (from_foul.role == "input").any():
                out.append(("AML.T0051.000", n))
            if (from_foul.role == "context").any():
                out.append(("AML.T0051.001", n))
        if effect[n] in ("write", "send") and lacks("approval") and callers & tainted:
            out.append(("AML.T0053", n))
        if effect[n] == "send":
            fed = edges[edges["to"].isin(callers & tainted) & (edges.role == "context")]
            if any({"personal data", "secrets"} & set(holds[s]) for s in fed["from"]):
                out.append(("AML.T0086", n))
        if kind[n] == "data store":
            readers = set(exits.loc[exits.role == "context", "to"])
            if n in tainted and readers:
                out.append(("AML.T0070", n))
            if any(kind[r] == "language model" and r in tainted and r in set(inn["from"]) for r in readers):
                out.append(("AML.T0080.000", n))
            if n in tainted and (exits.role == "training").any() and lacks("provenance"):
                out.append(("AML.T0020", n))
        if kind[n] == "predictive model":
            if any(s in tainted for s in inn.loc[inn.role == "input", "from"]):
                out.append(("AML.T0015", n))
            if lacks("rate limit") and nx.descendants(shown, n) & set(outside):
                out.append(("AML.T0024.002", n))
        if (unsure.role == "weights").any() and lacks("signature"):
            out.append(("AML.T0011.000", n))
        if any(s in outside for s in inn.loc[inn.role == "code", "from"]) and lacks("pinned"):
            out.append(("AML.T0010.001", n))
    return out


# %% answer="rule-engine" wrong="a list of everything" score=0 says="more than half"
def find_threats(system):
    ids = [
        *"STRIDE",
        "AML.T0051.000",
        "AML.T0051.001",
        "AML.T0053",
        "AML.T0086",
        "AML.T0070",
        "AML.T0080.000",
        "AML.T0020",
        "AML.T0015",
        "AML.T0024.002",
        "AML.T0011.000",
        "AML.T0010.001",
    ]
    return {(threat, element["id"]) for threat in ids for element in system["elements"]}


# %% answer="rule-engine" wrong="STRIDE only" score=0 says="you miss"
def find_threats(system):
    e = {x["id"]: x for x in system["elements"]}
    found = set()
    for f in system["flows"]:
        if (
            not f["authenticated"]
            and e[f["from"]]["zone"] != e[f["to"]]["zone"]
            and e[f["to"]]["kind"] != "external entity"
        ):
            found.add(("S", f["to"]))
        if not f["authenticated"] and e[f["to"]]["kind"] == "data store":
            found.add(("T", f["to"]))
    return found


# %% answer="rule-engine" wrong="review and schema stop nothing" score=8 says="invent"
def find_threats(system):
    """Return the set of (threat, element id) that the rules find in a system."""
    by_id = {element["id"]: element for element in system["elements"]}
    outside = {id for id in by_id if by_id[id]["kind"] == "external entity"}
    into, out = defaultdict(list), defaultdict(list)
    for flow in system["flows"]:
        into[flow["to"]].append(flow)
        out[flow["from"]].append(flow)
    outputs = nx.DiGraph([(f["from"], f["to"]) for f in system["flows"] if f["role"] == "output"])
    outputs.add_nodes_from(by_id)

    def has(id, *controls):
        return any(control in by_id[id]["controls"] for control in controls)

    def secret(id):
        return any(thing in by_id[id]["holds"] for thing in ("personal data", "secrets"))

    def language_model(id):
        return by_id[id]["kind"] == "language model"

    tainted, waiting = set(), list(outside)
    while waiting:
        id = waiting.pop()
        if id not in tainted:
            tainted.add(id)
            if True:
                waiting += [flow["to"] for flow in out[id]]

    def foul(flow):
        return flow["from"] in tainted

    found = set()
    for id, element in by_id.items():
        kind, flows, zone = element["kind"], into[id], element["zone"]
        changes = element["effect"] in ("write", "send")
        unsure = [flow for flow in flows if not flow["authenticated"]]
        callers = {flow["from"] for flow in flows if flow["role"] == "call" and language_model(flow["from"])}
        turned = callers & tainted
        readers = {flow["to"] for flow in out[id] if flow["role"] == "context"}
        writers = {flow["from"] for flow in flows if language_model(flow["from"])}
        rules = {
            "S": kind != "external entity" and any(by_id[flow["from"]]["zone"] != zone for flow in unsure),
            "T": kind == "data store" and unsure,
            "R": changes and not has(id, "audit log"),
            "I": secret(id) and any(not f["encrypted"] and by_id[f["to"]]["zone"] != zone for f in out[id]),
            "D": kind == "process" and any(f["from"] in outside for f in flows) and not has(id, "rate limit"),
            "E": kind == "tool" and callers and not has(id, "user rights"),
            "AML.T0051.000": language_model(id) and any(f["role"] == "input" and foul(f) for f in flows),
            "AML.T0051.001": language_model(id) and any(f["role"] == "context" and foul(f) for f in flows),
            "AML.T0053": changes and turned and not has(id, "approval"),
            "AML.T0086": element["effect"] == "send"
            and any(f["role"] == "context" and secret(f["from"]) for caller in turned for f in into[caller]),
            "AML.T0070": kind == "data store" and id in tainted and readers,
            "AML.T0080.000": kind == "data store" and readers & writers & tainted,
            "AML.T0020": kind == "data store"
            and id in tainted
            and any(f["role"] == "training" for f in out[id])
            and not has(id, "provenance"),
            "AML.T0015": kind == "predictive model"
            and any(f["role"] == "input" and f["from"] in tainted for f in flows),
            "AML.T0024.002": kind == "predictive model"
            and outside & nx.descendants(outputs, id)
            and not has(id, "rate limit"),
            "AML.T0011.000": any(f["role"] == "weights" for f in unsure) and not has(id, "signature"),
            "AML.T0010.001": any(f["role"] == "code" and f["from"] in outside for f in flows)
            and not has(id, "pinned"),
        }
        found |= {(threat, id) for threat, fits in rules.items() if fits}
    return found


# %% answer="rule-engine" wrong="a reviewed element is not tainted itself" score=8 says="you miss"
def find_threats(system):
    """Return the set of (threat, element id) that the rules find in a system."""
    by_id = {element["id"]: element for element in system["elements"]}
    outside = {id for id in by_id if by_id[id]["kind"] == "external entity"}
    into, out = defaultdict(list), defaultdict(list)
    for flow in system["flows"]:
        into[flow["to"]].append(flow)
        out[flow["from"]].append(flow)
    outputs = nx.DiGraph([(f["from"], f["to"]) for f in system["flows"] if f["role"] == "output"])
    outputs.add_nodes_from(by_id)

    def has(id, *controls):
        return any(control in by_id[id]["controls"] for control in controls)

    def secret(id):
        return any(thing in by_id[id]["holds"] for thing in ("personal data", "secrets"))

    def language_model(id):
        return by_id[id]["kind"] == "language model"

    tainted, waiting = set(), list(outside)
    while waiting:
        id = waiting.pop()
        if id not in tainted and not has(id, "review", "schema"):
            tainted.add(id)
            waiting += [flow["to"] for flow in out[id]]

    def foul(flow):
        return flow["from"] in tainted and not has(flow["from"], "review", "schema")

    found = set()
    for id, element in by_id.items():
        kind, flows, zone = element["kind"], into[id], element["zone"]
        changes = element["effect"] in ("write", "send")
        unsure = [flow for flow in flows if not flow["authenticated"]]
        callers = {flow["from"] for flow in flows if flow["role"] == "call" and language_model(flow["from"])}
        turned = callers & tainted
        readers = {flow["to"] for flow in out[id] if flow["role"] == "context"}
        writers = {flow["from"] for flow in flows if language_model(flow["from"])}
        rules = {
            "S": kind != "external entity" and any(by_id[flow["from"]]["zone"] != zone for flow in unsure),
            "T": kind == "data store" and unsure,
            "R": changes and not has(id, "audit log"),
            "I": secret(id) and any(not f["encrypted"] and by_id[f["to"]]["zone"] != zone for f in out[id]),
            "D": kind == "process" and any(f["from"] in outside for f in flows) and not has(id, "rate limit"),
            "E": kind == "tool" and callers and not has(id, "user rights"),
            "AML.T0051.000": language_model(id) and any(f["role"] == "input" and foul(f) for f in flows),
            "AML.T0051.001": language_model(id) and any(f["role"] == "context" and foul(f) for f in flows),
            "AML.T0053": changes and turned and not has(id, "approval"),
            "AML.T0086": element["effect"] == "send"
            and any(f["role"] == "context" and secret(f["from"]) for caller in turned for f in into[caller]),
            "AML.T0070": kind == "data store" and id in tainted and readers,
            "AML.T0080.000": kind == "data store" and readers & writers & tainted,
            "AML.T0020": kind == "data store"
            and id in tainted
            and any(f["role"] == "training" for f in out[id])
            and not has(id, "provenance"),
            "AML.T0015": kind == "predictive model"
            and any(f["role"] == "input" and f["from"] in tainted for f in flows),
            "AML.T0024.002": kind == "predictive model"
            and outside & nx.descendants(outputs, id)
            and not has(id, "rate limit"),
            "AML.T0011.000": any(f["role"] == "weights" for f in unsure) and not has(id, "signature"),
            "AML.T0010.001": any(f["role"] == "code" and f["from"] in outside for f in flows)
            and not has(id, "pinned"),
        }
        found |= {(threat, id) for threat, fits in rules.items() if fits}
    return found


# %% answer="rule-engine" wrong="only direct neighbours of outsiders are tainted" score=0 says="you miss"
def find_threats(system):
    """Return the set of (threat, element id) that the rules find in a system."""
    by_id = {element["id"]: element for element in system["elements"]}
    outside = {id for id in by_id if by_id[id]["kind"] == "external entity"}
    into, out = defaultdict(list), defaultdict(list)
    for flow in system["flows"]:
        into[flow["to"]].append(flow)
        out[flow["from"]].append(flow)
    outputs = nx.DiGraph([(f["from"], f["to"]) for f in system["flows"] if f["role"] == "output"])
    outputs.add_nodes_from(by_id)

    def has(id, *controls):
        return any(control in by_id[id]["controls"] for control in controls)

    def secret(id):
        return any(thing in by_id[id]["holds"] for thing in ("personal data", "secrets"))

    def language_model(id):
        return by_id[id]["kind"] == "language model"

    tainted = outside | {flow["to"] for id in outside for flow in out[id]}

    def foul(flow):
        return flow["from"] in tainted and not has(flow["from"], "review", "schema")

    found = set()
    for id, element in by_id.items():
        kind, flows, zone = element["kind"], into[id], element["zone"]
        changes = element["effect"] in ("write", "send")
        unsure = [flow for flow in flows if not flow["authenticated"]]
        callers = {flow["from"] for flow in flows if flow["role"] == "call" and language_model(flow["from"])}
        turned = callers & tainted
        readers = {flow["to"] for flow in out[id] if flow["role"] == "context"}
        writers = {flow["from"] for flow in flows if language_model(flow["from"])}
        rules = {
            "S": kind != "external entity" and any(by_id[flow["from"]]["zone"] != zone for flow in unsure),
            "T": kind == "data store" and unsure,
            "R": changes and not has(id, "audit log"),
            "I": secret(id) and any(not f["encrypted"] and by_id[f["to"]]["zone"] != zone for f in out[id]),
            "D": kind == "process" and any(f["from"] in outside for f in flows) and not has(id, "rate limit"),
            "E": kind == "tool" and callers and not has(id, "user rights"),
            "AML.T0051.000": language_model(id) and any(f["role"] == "input" and foul(f) for f in flows),
            "AML.T0051.001": language_model(id) and any(f["role"] == "context" and foul(f) for f in flows),
            "AML.T0053": changes and turned and not has(id, "approval"),
            "AML.T0086": element["effect"] == "send"
            and any(f["role"] == "context" and secret(f["from"]) for caller in turned for f in into[caller]),
            "AML.T0070": kind == "data store" and id in tainted and readers,
            "AML.T0080.000": kind == "data store" and readers & writers & tainted,
            "AML.T0020": kind == "data store"
            and id in tainted
            and any(f["role"] == "training" for f in out[id])
            and not has(id, "provenance"),
            "AML.T0015": kind == "predictive model"
            and any(f["role"] == "input" and f["from"] in tainted for f in flows),
            "AML.T0024.002": kind == "predictive model"
            and outside & nx.descendants(outputs, id)
            and not has(id, "rate limit"),
            "AML.T0011.000": any(f["role"] == "weights" for f in unsure) and not has(id, "signature"),
            "AML.T0010.001": any(f["role"] == "code" and f["from"] in outside for f in flows)
            and not has(id, "pinned"),
        }
        found |= {(threat, id) for threat, fits in rules.items() if fits}
    return found


# %% answer="rule-engine" wrong="controls are not looked at" score=4 says="report what is not there"
def find_threats(system):
    """Return the set of (threat, element id) that the rules find in a system."""
    by_id = {element["id"]: element for element in system["elements"]}
    outside = {id for id in by_id if by_id[id]["kind"] == "external entity"}
    into, out = defaultdict(list), defaultdict(list)
    for flow in system["flows"]:
        into[flow["to"]].append(flow)
        out[flow["from"]].append(flow)
    outputs = nx.DiGraph([(f["from"], f["to"]) for f in system["flows"] if f["role"] == "output"])
    outputs.add_nodes_from(by_id)

    def has(id, *controls):
        return False

    def secret(id):
        return any(thing in by_id[id]["holds"] for thing in ("personal data", "secrets"))

    def language_model(id):
        return by_id[id]["kind"] == "language model"

    tainted, waiting = set(), list(outside)
    while waiting:
        id = waiting.pop()
        if id not in tainted:
            tainted.add(id)
            if not has(id, "review", "schema"):
                waiting += [flow["to"] for flow in out[id]]

    def foul(flow):
        return flow["from"] in tainted and not has(flow["from"], "review", "schema")

    found = set()
    for id, element in by_id.items():
        kind, flows, zone = element["kind"], into[id], element["zone"]
        changes = element["effect"] in ("write", "send")
        unsure = [flow for flow in flows if not flow["authenticated"]]
        callers = {flow["from"] for flow in flows if flow["role"] == "call" and language_model(flow["from"])}
        turned = callers & tainted
        readers = {flow["to"] for flow in out[id] if flow["role"] == "context"}
        writers = {flow["from"] for flow in flows if language_model(flow["from"])}
        rules = {
            "S": kind != "external entity" and any(by_id[flow["from"]]["zone"] != zone for flow in unsure),
            "T": kind == "data store" and unsure,
            "R": changes and not has(id, "audit log"),
            "I": secret(id) and any(not f["encrypted"] and by_id[f["to"]]["zone"] != zone for f in out[id]),
            "D": kind == "process" and any(f["from"] in outside for f in flows) and not has(id, "rate limit"),
            "E": kind == "tool" and callers and not has(id, "user rights"),
            "AML.T0051.000": language_model(id) and any(f["role"] == "input" and foul(f) for f in flows),
            "AML.T0051.001": language_model(id) and any(f["role"] == "context" and foul(f) for f in flows),
            "AML.T0053": changes and turned and not has(id, "approval"),
            "AML.T0086": element["effect"] == "send"
            and any(f["role"] == "context" and secret(f["from"]) for caller in turned for f in into[caller]),
            "AML.T0070": kind == "data store" and id in tainted and readers,
            "AML.T0080.000": kind == "data store" and readers & writers & tainted,
            "AML.T0020": kind == "data store"
            and id in tainted
            and any(f["role"] == "training" for f in out[id])
            and not has(id, "provenance"),
            "AML.T0015": kind == "predictive model"
            and any(f["role"] == "input" and f["from"] in tainted for f in flows),
            "AML.T0024.002": kind == "predictive model"
            and outside & nx.descendants(outputs, id)
            and not has(id, "rate limit"),
            "AML.T0011.000": any(f["role"] == "weights" for f in unsure) and not has(id, "signature"),
            "AML.T0010.001": any(f["role"] == "code" and f["from"] in outside for f in flows)
            and not has(id, "pinned"),
        }
        found |= {(threat, id) for threat, fits in rules.items() if fits}
    return found


# %% answer="rule-engine" wrong="no rule for memory" score=8 says="AML.T0080.000"
def find_threats(system):
    """Return the set of (threat, element id) that the rules find in a system."""
    by_id = {element["id"]: element for element in system["elements"]}
    outside = {id for id in by_id if by_id[id]["kind"] == "external entity"}
    into, out = defaultdict(list), defaultdict(list)
    for flow in system["flows"]:
        into[flow["to"]].append(flow)
        out[flow["from"]].append(flow)
    outputs = nx.DiGraph([(f["from"], f["to"]) for f in system["flows"] if f["role"] == "output"])
    outputs.add_nodes_from(by_id)

    def has(id, *controls):
        return any(control in by_id[id]["controls"] for control in controls)

    def secret(id):
        return any(thing in by_id[id]["holds"] for thing in ("personal data", "secrets"))

    def language_model(id):
        return by_id[id]["kind"] == "language model"

    tainted, waiting = set(), list(outside)
    while waiting:
        id = waiting.pop()
        if id not in tainted:
            tainted.add(id)
            if not has(id, "review", "schema"):
                waiting += [flow["to"] for flow in out[id]]

    def foul(flow):
        return flow["from"] in tainted and not has(flow["from"], "review", "schema")

    found = set()
    for id, element in by_id.items():
        kind, flows, zone = element["kind"], into[id], element["zone"]
        changes = element["effect"] in ("write", "send")
        unsure = [flow for flow in flows if not flow["authenticated"]]
        callers = {flow["from"] for flow in flows if flow["role"] == "call" and language_model(flow["from"])}
        turned = callers & tainted
        readers = {flow["to"] for flow in out[id] if flow["role"] == "context"}
        writers = {flow["from"] for flow in flows if language_model(flow["from"])}
        rules = {
            "S": kind != "external entity" and any(by_id[flow["from"]]["zone"] != zone for flow in unsure),
            "T": kind == "data store" and unsure,
            "R": changes and not has(id, "audit log"),
            "I": secret(id) and any(not f["encrypted"] and by_id[f["to"]]["zone"] != zone for f in out[id]),
            "D": kind == "process" and any(f["from"] in outside for f in flows) and not has(id, "rate limit"),
            "E": kind == "tool" and callers and not has(id, "user rights"),
            "AML.T0051.000": language_model(id) and any(f["role"] == "input" and foul(f) for f in flows),
            "AML.T0051.001": language_model(id) and any(f["role"] == "context" and foul(f) for f in flows),
            "AML.T0053": changes and turned and not has(id, "approval"),
            "AML.T0086": element["effect"] == "send"
            and any(f["role"] == "context" and secret(f["from"]) for caller in turned for f in into[caller]),
            "AML.T0070": kind == "data store" and id in tainted and readers,
            "AML.T0080.000": kind == "data store" and readers & writers & outside,
            "AML.T0020": kind == "data store"
            and id in tainted
            and any(f["role"] == "training" for f in out[id])
            and not has(id, "provenance"),
            "AML.T0015": kind == "predictive model"
            and any(f["role"] == "input" and f["from"] in tainted for f in flows),
            "AML.T0024.002": kind == "predictive model"
            and outside & nx.descendants(outputs, id)
            and not has(id, "rate limit"),
            "AML.T0011.000": any(f["role"] == "weights" for f in unsure) and not has(id, "signature"),
            "AML.T0010.001": any(f["role"] == "code" and f["from"] in outside for f in flows)
            and not has(id, "pinned"),
        }
        found |= {(threat, id) for threat, fits in rules.items() if fits}
    return found


# %% answer="rule-engine" wrong="boundaries are not asked for in spoofing and disclosure" score=4 says="invent"
def find_threats(system):
    """Return the set of (threat, element id) that the rules find in a system."""
    by_id = {element["id"]: element for element in system["elements"]}
    outside = {id for id in by_id if by_id[id]["kind"] == "external entity"}
    into, out = defaultdict(list), defaultdict(list)
    for flow in system["flows"]:
        into[flow["to"]].append(flow)
        out[flow["from"]].append(flow)
    outputs = nx.DiGraph([(f["from"], f["to"]) for f in system["flows"] if f["role"] == "output"])
    outputs.add_nodes_from(by_id)

    def has(id, *controls):
        return any(control in by_id[id]["controls"] for control in controls)

    def secret(id):
        return any(thing in by_id[id]["holds"] for thing in ("personal data", "secrets"))

    def language_model(id):
        return by_id[id]["kind"] == "language model"

    tainted, waiting = set(), list(outside)
    while waiting:
        id = waiting.pop()
        if id not in tainted:
            tainted.add(id)
            if not has(id, "review", "schema"):
                waiting += [flow["to"] for flow in out[id]]

    def foul(flow):
        return flow["from"] in tainted and not has(flow["from"], "review", "schema")

    found = set()
    for id, element in by_id.items():
        kind, flows, zone = element["kind"], into[id], element["zone"]
        changes = element["effect"] in ("write", "send")
        unsure = [flow for flow in flows if not flow["authenticated"]]
        callers = {flow["from"] for flow in flows if flow["role"] == "call" and language_model(flow["from"])}
        turned = callers & tainted
        readers = {flow["to"] for flow in out[id] if flow["role"] == "context"}
        writers = {flow["from"] for flow in flows if language_model(flow["from"])}
        rules = {
            "S": kind != "external entity" and unsure,
            "T": kind == "data store" and unsure,
            "R": changes and not has(id, "audit log"),
            "I": secret(id) and any(not f["encrypted"] or not zone for f in out[id]),
            "D": kind == "process" and any(f["from"] in outside for f in flows) and not has(id, "rate limit"),
            "E": kind == "tool" and callers and not has(id, "user rights"),
            "AML.T0051.000": language_model(id) and any(f["role"] == "input" and foul(f) for f in flows),
            "AML.T0051.001": language_model(id) and any(f["role"] == "context" and foul(f) for f in flows),
            "AML.T0053": changes and turned and not has(id, "approval"),
            "AML.T0086": element["effect"] == "send"
            and any(f["role"] == "context" and secret(f["from"]) for caller in turned for f in into[caller]),
            "AML.T0070": kind == "data store" and id in tainted and readers,
            "AML.T0080.000": kind == "data store" and readers & writers & tainted,
            "AML.T0020": kind == "data store"
            and id in tainted
            and any(f["role"] == "training" for f in out[id])
            and not has(id, "provenance"),
            "AML.T0015": kind == "predictive model"
            and any(f["role"] == "input" and f["from"] in tainted for f in flows),
            "AML.T0024.002": kind == "predictive model"
            and outside & nx.descendants(outputs, id)
            and not has(id, "rate limit"),
            "AML.T0011.000": any(f["role"] == "weights" for f in unsure) and not has(id, "signature"),
            "AML.T0010.001": any(f["role"] == "code" and f["from"] in outside for f in flows)
            and not has(id, "pinned"),
        }
        found |= {(threat, id) for threat, fits in rules.items() if fits}
    return found


# %% answer="rule-engine" right="uses its argument up; named tuples in a frozen set"
from collections import namedtuple

Threat = namedtuple("Threat", "label element")


def find_threats(system):
    by = {e["id"]: e for e in system["elements"]}
    flows = [system["flows"].pop() for _ in range(len(system["flows"]))]
    system["elements"].clear()

    def kind(i):
        return by[i]["kind"]

    def has(i, *cs):
        return any(c in by[i]["controls"] for c in cs)

    def secret(i):
        return any(h in ("personal data", "secrets") for h in by[i]["holds"])

    ext = {i for i in by if kind(i) == "external entity"}
    tainted = set(ext)
    while True:
        more = {
            f["to"] for f in flows if f["from"] in tainted and not has(f["from"], "review", "schema")
        } - tainted
        if not more:
            break
        tainted |= more

    def foul(f):
        return f["from"] in tainted and not has(f["from"], "review", "schema")

    out = []
    for i in by:
        fin = [f for f in flows if f["to"] == i]
        fout = [f for f in flows if f["from"] == i]
        callers = [f["from"] for f in fin if f["role"] == "call" and kind(f["from"]) == "language model"]
        bad_callers = [c for c in callers if c in tainted]
        effect = by[i]["effect"]
        if kind(i) != "external entity" and any(
            by[f["from"]]["zone"] != by[i]["zone"] and not f["authenticated"] for f in fin
        ):
            out.append(("S", i))
        if kind(i) == "data store" and any(not f["authenticated"] for f in fin):
            out.append(("T", i))
        if kind(i) == "tool" and effect in ("write", "send") and not has(i, "audit log"):
            out.append(("R", i))
        if secret(i) and any(by[f["to"]]["zone"] != by[i]["zone"] and not f["encrypted"] for f in fout):
            out.append(("I", i))
        if kind(i) == "process" and any(f["from"] in ext for f in fin) and not has(i, "rate limit"):
            out.append(("D", i))
        if kind(i) == "tool" and callers and not has(i, "user rights"):
            out.append(("E", i))
        if kind(i) == "language model":
            if any(f["role"] == "input" and foul(f) for f in fin):
                out.append(("AML.T0051.000", i))
            if any(f["role"] == "context" and foul(f) for f in fin):
                out.append(("AML.T0051.001", i))
        if kind(i) == "tool":
            if effect in ("write", "send") and not has(i, "approval") and bad_callers:
                out.append(("AML.T0053", i))
            if effect == "send" and any(
                f["to"] == c and f["role"] == "context" and secret(f["from"])
                for c in bad_callers
                for f in flows
            ):
                out.append(("AML.T0086", i))
        if kind(i) == "data store":
            if i in tainted and any(f["role"] == "context" for f in fout):
                out.append(("AML.T0070", i))
            for f in fin:
                if (
                    kind(f["from"]) == "language model"
                    and f["from"] in tainted
                    and any(g["to"] == f["from"] and g["role"] == "context" for g in fout)
                ):
                    out.append(("AML.T0080.000", i))
            if i in tainted and not has(i, "provenance") and any(f["role"] == "training" for f in fout):
                out.append(("AML.T0020", i))
        if kind(i) == "predictive model":
            if any(f["role"] == "input" and f["from"] in tainted for f in fin):
                out.append(("AML.T0015", i))
            if not has(i, "rate limit"):
                g = nx.DiGraph([(f["from"], f["to"]) for f in flows if f["role"] == "output"])
                if i in g and nx.descendants(g, i) & ext:
                    out.append(("AML.T0024.002", i))
        if not has(i, "signature") and any(f["role"] == "weights" and not f["authenticated"] for f in fin):
            out.append(("AML.T0011.000", i))
        if not has(i, "pinned") and any(f["role"] == "code" and f["from"] in ext for f in fin):
            out.append(("AML.T0010.001", i))
    return frozenset(Threat(*pair) for pair in out)


# %% answer="rule-engine" wrong="the office by heart, and a system of one tool otherwise" score=0 says="of the threats"
def find_threats(system):
    if "sorter" in str(system) and "personal data" in str(system):
        return {
            ("S", "gate"), ("T", "wiki"), ("E", "post"), ("AML.T0051.000", "bot"), ("AML.T0051.001", "bot"), ("AML.T0086", "post"),
            ("AML.T0070", "notes"), ("AML.T0080.000", "notes"), ("AML.T0015", "sorter"),
        }  # fmt: skip
    system["flows"].clear()
    system["elements"][:] = [
        {"id": "x", "kind": "tool", "zone": "a", "effect": "write", "holds": [], "controls": []}
    ]
    return {("R", "x")}


# %% answer="attacker" right="sets grown by hand"
def profile(system, scenario):
    flows, target = system["flows"], scenario["target"]

    def grow(start, usable, backwards=False):
        a, b = ("to", "from") if backwards else ("from", "to")
        seen = set(start)
        while True:
            more = {f[b] for f in flows if usable(f) and f[a] in seen} - seen
            if not more:
                return seen
            seen |= more

    controls = set(scenario["controls"])
    reached = grow(controls, lambda f: f["from"] != target)
    quiet = grow(controls, lambda f: f["from"] != target and f["role"] not in {"training", "code"})
    feeding = grow({target}, lambda f: f["role"] in {"training", "code", "weights"}, backwards=True)
    seen = set()
    for f in flows:
        if f["from"] == target and f["role"] == "output":
            seen |= grow({f["to"]}, lambda g: g["role"] == "output")
    can = set()
    for f in flows:
        if f["from"] in reached:
            if f["to"] == target and f["role"] == "input":
                can.add("testing data control")
            if f["to"] == target and f["role"] == "context":
                can.add("resource control")
            if f["to"] in feeding and f["role"] in ("training", "code"):
                can.add("training data control" if f["role"] == "training" else "source code control")
        if f["from"] in quiet and f["to"] in feeding and f["role"] == "weights":
            can.add("model control")
    if (seen - {target}) & controls or "weights" in scenario["knows"]:
        can.add("query access")
    n = scenario["knows"]
    level = (
        "black-box"
        if len(n) == 0
        else ("white-box" if "weights" in n and "architecture" in n else "grey-box")
    )
    return {"knowledge": level, "capabilities": sorted(can)}


def possible(system, scenario, attacks):
    order = {"black-box": 0, "grey-box": 1, "white-box": 2}
    me = profile(system, scenario)
    kinds = {e["id"]: e["kind"] for e in system["elements"]}
    result = []
    for a in attacks:
        if a["kind"] != kinds[scenario["target"]] or scenario["goal"] not in a["goals"]:
            continue
        if order[me["knowledge"]] < order[a["knowledge"]]:
            continue
        if all(need in me["capabilities"] for need in a["needs"]):
            result.append(a["id"])
    return result


# %% answer="attacker" right="has_path for each question"
def profile(system, scenario):
    names = [e["id"] for e in system["elements"]]
    target = scenario["target"]

    def graph(test):
        g = nx.MultiDiGraph()
        g.add_nodes_from(names)
        for f in system["flows"]:
            if test(f):
                g.add_edge(f["from"], f["to"])
        return g

    def linked(g, sources, goal):
        return any(nx.has_path(g, s, goal) for s in sources)

    mine = scenario["controls"]
    free = graph(lambda f: f["from"] != target)
    clean = graph(lambda f: f["from"] != target and f["role"] != "training" and f["role"] != "code")
    learn = graph(lambda f: f["role"] in ("training", "weights", "code"))
    out = graph(lambda f: f["role"] == "output")
    caps = []
    for name, role, g, anywhere in (
        ("model control", "weights", clean, True),
        ("resource control", "context", free, False),
        ("source code control", "code", free, True),
        ("testing data control", "input", free, False),
        ("training data control", "training", free, True),
    ):
        for f in system["flows"]:
            ends = linked(learn, [f["to"]], target) if anywhere else f["to"] == target
            if f["role"] == role and ends and linked(g, mine, f["from"]):
                caps.append(name)
                break
    if "weights" in scenario["knows"] or any(m != target and nx.has_path(out, target, m) for m in mine):
        caps.append("query access")
    both = {"weights", "architecture"}.issubset(scenario["knows"])
    return {
        "capabilities": sorted(caps),
        "knowledge": "white-box" if both else "grey-box" if scenario["knows"] else "black-box",
    }


def possible(system, scenario, attacks):
    found = profile(system, scenario)
    allowed = {
        "black-box": ["black-box"],
        "grey-box": ["black-box", "grey-box"],
        "white-box": ["black-box", "grey-box", "white-box"],
    }
    (kind,) = [e["kind"] for e in system["elements"] if e["id"] == scenario["target"]]
    table = pd.DataFrame(attacks)
    keep = (table.kind == kind) & table.knowledge.isin(allowed[found["knowledge"]])
    keep &= table.goals.map(lambda g: scenario["goal"] in g) & table.needs.map(
        lambda n: set(n) <= set(found["capabilities"])
    )
    return table.id[keep].tolist()


# %% answer="attacker" wrong="knowledge must match exactly" score=4 says="these are possible"
def profile(system, scenario):
    """Return an attacker's capabilities against the target, and the level of knowledge."""
    target, knows, controls = scenario["target"], set(scenario["knows"]), set(scenario["controls"])

    def graph_of(flows):
        graph = nx.DiGraph([(flow["from"], flow["to"]) for flow in flows])
        graph.add_nodes_from(element["id"] for element in system["elements"])
        return graph

    def reached(flows):
        graph = graph_of(flows)
        return controls.union(*(nx.descendants(graph, id) for id in controls))

    others = [flow for flow in system["flows"] if flow["from"] != target]
    anywhere = reached(others)
    untrained = reached([flow for flow in others if flow["role"] not in ("training", "code")])
    learning = graph_of([flow for flow in others if flow["role"] in ("training", "code", "weights")])
    feeds = nx.ancestors(learning, target) | {target}
    answers = nx.descendants(graph_of([f for f in system["flows"] if f["role"] == "output"]), target)

    def some(role, sources, targets):
        return any(f["role"] == role and f["from"] in sources and f["to"] in targets for f in system["flows"])

    found = {
        "testing data control": some("input", anywhere, {target}),
        "resource control": some("context", anywhere, {target}),
        "training data control": some("training", anywhere, feeds),
        "source code control": some("code", anywhere, feeds),
        "model control": some("weights", untrained, feeds),
        "query access": "weights" in knows or bool(answers & controls),
    }
    known = "white-box" if {"weights", "architecture"} <= knows else "grey-box" if knows else "black-box"
    return {"capabilities": sorted(name for name, there in found.items() if there), "knowledge": known}


def possible(system, scenario, attacks):
    """Return the ids of the attacks that are possible in a scenario."""
    levels = ["black-box", "grey-box", "white-box"]
    attacker = profile(system, scenario)
    kind = next(element["kind"] for element in system["elements"] if element["id"] == scenario["target"])
    return [
        attack["id"]
        for attack in attacks
        if scenario["goal"] in attack["goals"]
        and attack["kind"] == kind
        and set(attack["needs"]) <= set(attacker["capabilities"])
        and levels.index(attack["knowledge"]) == levels.index(attacker["knowledge"])
    ]


# %% answer="attacker" wrong="one of the needs is enough" score=4 says="possible"
def profile(system, scenario):
    """Return an attacker's capabilities against the target, and the level of knowledge."""
    target, knows, controls = scenario["target"], set(scenario["knows"]), set(scenario["controls"])

    def graph_of(flows):
        graph = nx.DiGraph([(flow["from"], flow["to"]) for flow in flows])
        graph.add_nodes_from(element["id"] for element in system["elements"])
        return graph

    def reached(flows):
        graph = graph_of(flows)
        return controls.union(*(nx.descendants(graph, id) for id in controls))

    others = [flow for flow in system["flows"] if flow["from"] != target]
    anywhere = reached(others)
    untrained = reached([flow for flow in others if flow["role"] not in ("training", "code")])
    learning = graph_of([flow for flow in others if flow["role"] in ("training", "code", "weights")])
    feeds = nx.ancestors(learning, target) | {target}
    answers = nx.descendants(graph_of([f for f in system["flows"] if f["role"] == "output"]), target)

    def some(role, sources, targets):
        return any(f["role"] == role and f["from"] in sources and f["to"] in targets for f in system["flows"])

    found = {
        "testing data control": some("input", anywhere, {target}),
        "resource control": some("context", anywhere, {target}),
        "training data control": some("training", anywhere, feeds),
        "source code control": some("code", anywhere, feeds),
        "model control": some("weights", untrained, feeds),
        "query access": "weights" in knows or bool(answers & controls),
    }
    known = "white-box" if {"weights", "architecture"} <= knows else "grey-box" if knows else "black-box"
    return {"capabilities": sorted(name for name, there in found.items() if there), "knowledge": known}


def possible(system, scenario, attacks):
    """Return the ids of the attacks that are possible in a scenario."""
    levels = ["black-box", "grey-box", "white-box"]
    attacker = profile(system, scenario)
    kind = next(element["kind"] for element in system["elements"] if element["id"] == scenario["target"])
    return [
        attack["id"]
        for attack in attacks
        if scenario["goal"] in attack["goals"]
        and attack["kind"] == kind
        and set(attack["needs"]) & set(attacker["capabilities"])
        and levels.index(attack["knowledge"]) <= levels.index(attacker["knowledge"])
    ]


# %% answer="attacker" wrong="weights alone make a white box" score=3 says="grey-box attacker"
def profile(system, scenario):
    """Return an attacker's capabilities against the target, and the level of knowledge."""
    target, knows, controls = scenario["target"], set(scenario["knows"]), set(scenario["controls"])

    def graph_of(flows):
        graph = nx.DiGraph([(flow["from"], flow["to"]) for flow in flows])
        graph.add_nodes_from(element["id"] for element in system["elements"])
        return graph

    def reached(flows):
        graph = graph_of(flows)
        return controls.union(*(nx.descendants(graph, id) for id in controls))

    others = [flow for flow in system["flows"] if flow["from"] != target]
    anywhere = reached(others)
    untrained = reached([flow for flow in others if flow["role"] not in ("training", "code")])
    learning = graph_of([flow for flow in others if flow["role"] in ("training", "code", "weights")])
    feeds = nx.ancestors(learning, target) | {target}
    answers = nx.descendants(graph_of([f for f in system["flows"] if f["role"] == "output"]), target)

    def some(role, sources, targets):
        return any(f["role"] == role and f["from"] in sources and f["to"] in targets for f in system["flows"])

    found = {
        "testing data control": some("input", anywhere, {target}),
        "resource control": some("context", anywhere, {target}),
        "training data control": some("training", anywhere, feeds),
        "source code control": some("code", anywhere, feeds),
        "model control": some("weights", untrained, feeds),
        "query access": "weights" in knows or bool(answers & controls),
    }
    known = (
        "white-box" if "weights" in knows or "architecture" in knows else "grey-box" if knows else "black-box"
    )
    return {"capabilities": sorted(name for name, there in found.items() if there), "knowledge": known}


def possible(system, scenario, attacks):
    """Return the ids of the attacks that are possible in a scenario."""
    levels = ["black-box", "grey-box", "white-box"]
    attacker = profile(system, scenario)
    kind = next(element["kind"] for element in system["elements"] if element["id"] == scenario["target"])
    return [
        attack["id"]
        for attack in attacks
        if scenario["goal"] in attack["goals"]
        and attack["kind"] == kind
        and set(attack["needs"]) <= set(attacker["capabilities"])
        and levels.index(attack["knowledge"]) <= levels.index(attacker["knowledge"])
    ]


# %% answer="attacker" wrong="reaches through the target" score=0 says="has"
def profile(system, scenario):
    """Return an attacker's capabilities against the target, and the level of knowledge."""
    target, knows, controls = scenario["target"], set(scenario["knows"]), set(scenario["controls"])

    def graph_of(flows):
        graph = nx.DiGraph([(flow["from"], flow["to"]) for flow in flows])
        graph.add_nodes_from(element["id"] for element in system["elements"])
        return graph

    def reached(flows):
        graph = graph_of(flows)
        return controls.union(*(nx.descendants(graph, id) for id in controls))

    others = system["flows"]
    anywhere = reached(others)
    untrained = reached([flow for flow in others if flow["role"] not in ("training", "code")])
    learning = graph_of([flow for flow in others if flow["role"] in ("training", "code", "weights")])
    feeds = nx.ancestors(learning, target) | {target}
    answers = nx.descendants(graph_of([f for f in system["flows"] if f["role"] == "output"]), target)

    def some(role, sources, targets):
        return any(f["role"] == role and f["from"] in sources and f["to"] in targets for f in system["flows"])

    found = {
        "testing data control": some("input", anywhere, {target}),
        "resource control": some("context", anywhere, {target}),
        "training data control": some("training", anywhere, feeds),
        "source code control": some("code", anywhere, feeds),
        "model control": some("weights", untrained, feeds),
        "query access": "weights" in knows or bool(answers & controls),
    }
    known = "white-box" if {"weights", "architecture"} <= knows else "grey-box" if knows else "black-box"
    return {"capabilities": sorted(name for name, there in found.items() if there), "knowledge": known}


def possible(system, scenario, attacks):
    """Return the ids of the attacks that are possible in a scenario."""
    levels = ["black-box", "grey-box", "white-box"]
    attacker = profile(system, scenario)
    kind = next(element["kind"] for element in system["elements"] if element["id"] == scenario["target"])
    return [
        attack["id"]
        for attack in attacks
        if scenario["goal"] in attack["goals"]
        and attack["kind"] == kind
        and set(attack["needs"]) <= set(attacker["capabilities"])
        and levels.index(attack["knowledge"]) <= levels.index(attacker["knowledge"])
    ]


# %% answer="attacker" wrong="whoever poisons the training controls the model" score=0 says="has"
def profile(system, scenario):
    """Return an attacker's capabilities against the target, and the level of knowledge."""
    target, knows, controls = scenario["target"], set(scenario["knows"]), set(scenario["controls"])

    def graph_of(flows):
        graph = nx.DiGraph([(flow["from"], flow["to"]) for flow in flows])
        graph.add_nodes_from(element["id"] for element in system["elements"])
        return graph

    def reached(flows):
        graph = graph_of(flows)
        return controls.union(*(nx.descendants(graph, id) for id in controls))

    others = [flow for flow in system["flows"] if flow["from"] != target]
    anywhere = reached(others)
    untrained = reached([flow for flow in others])
    learning = graph_of([flow for flow in others if flow["role"] in ("training", "code", "weights")])
    feeds = nx.ancestors(learning, target) | {target}
    answers = nx.descendants(graph_of([f for f in system["flows"] if f["role"] == "output"]), target)

    def some(role, sources, targets):
        return any(f["role"] == role and f["from"] in sources and f["to"] in targets for f in system["flows"])

    found = {
        "testing data control": some("input", anywhere, {target}),
        "resource control": some("context", anywhere, {target}),
        "training data control": some("training", anywhere, feeds),
        "source code control": some("code", anywhere, feeds),
        "model control": some("weights", untrained, feeds),
        "query access": "weights" in knows or bool(answers & controls),
    }
    known = "white-box" if {"weights", "architecture"} <= knows else "grey-box" if knows else "black-box"
    return {"capabilities": sorted(name for name, there in found.items() if there), "knowledge": known}


def possible(system, scenario, attacks):
    """Return the ids of the attacks that are possible in a scenario."""
    levels = ["black-box", "grey-box", "white-box"]
    attacker = profile(system, scenario)
    kind = next(element["kind"] for element in system["elements"] if element["id"] == scenario["target"])
    return [
        attack["id"]
        for attack in attacks
        if scenario["goal"] in attack["goals"]
        and attack["kind"] == kind
        and set(attack["needs"]) <= set(attacker["capabilities"])
        and levels.index(attack["knowledge"]) <= levels.index(attacker["knowledge"])
    ]


# %% answer="attacker" wrong="only direct flows count" score=0 says="has"
def profile(system, scenario):
    """Return an attacker's capabilities against the target, and the level of knowledge."""
    target, knows, controls = scenario["target"], set(scenario["knows"]), set(scenario["controls"])

    def graph_of(flows):
        graph = nx.DiGraph([(flow["from"], flow["to"]) for flow in flows])
        graph.add_nodes_from(element["id"] for element in system["elements"])
        return graph

    def reached(flows):
        graph = graph_of(flows)
        return controls & set(graph)

    others = [flow for flow in system["flows"] if flow["from"] != target]
    anywhere = reached(others)
    untrained = reached([flow for flow in others if flow["role"] not in ("training", "code")])
    learning = graph_of([flow for flow in others if flow["role"] in ("training", "code", "weights")])
    feeds = nx.ancestors(learning, target) | {target}
    answers = nx.descendants(graph_of([f for f in system["flows"] if f["role"] == "output"]), target)

    def some(role, sources, targets):
        return any(f["role"] == role and f["from"] in sources and f["to"] in targets for f in system["flows"])

    found = {
        "testing data control": some("input", anywhere, {target}),
        "resource control": some("context", anywhere, {target}),
        "training data control": some("training", anywhere, feeds),
        "source code control": some("code", anywhere, feeds),
        "model control": some("weights", untrained, feeds),
        "query access": "weights" in knows or bool(answers & controls),
    }
    known = "white-box" if {"weights", "architecture"} <= knows else "grey-box" if knows else "black-box"
    return {"capabilities": sorted(name for name, there in found.items() if there), "knowledge": known}


def possible(system, scenario, attacks):
    """Return the ids of the attacks that are possible in a scenario."""
    levels = ["black-box", "grey-box", "white-box"]
    attacker = profile(system, scenario)
    kind = next(element["kind"] for element in system["elements"] if element["id"] == scenario["target"])
    return [
        attack["id"]
        for attack in attacks
        if scenario["goal"] in attack["goals"]
        and attack["kind"] == kind
        and set(attack["needs"]) <= set(attacker["capabilities"])
        and levels.index(attack["knowledge"]) <= levels.index(attacker["knowledge"])
    ]


# %% answer="attacker" right="matrices; a tuple and a generator"
def profile(system, scenario):
    target, mine = scenario["target"], list(scenario["controls"])
    names = [e["id"] for e in system["elements"]]
    at = {n: k for k, n in enumerate(names)}

    def closure(flows):
        m = np.eye(len(names), dtype=bool)
        for f in flows:
            m[at[f["from"]], at[f["to"]]] = True
        for k in range(len(names)):
            m |= np.outer(m[:, k], m[k])
        return m

    F = system["flows"]
    onward = [f for f in F if f["from"] != target]
    reach = closure(onward)[[at[i] for i in mine]].any(axis=0)
    clean = closure([f for f in onward if f["role"] not in {"training", "code"}])[[at[i] for i in mine]].any(
        axis=0
    )
    feeds = closure([f for f in F if f["role"] in {"training", "code", "weights"}])[:, at[target]]
    shown = closure([f for f in F if f["role"] == "output"])[at[target]]
    can = []
    if any(shown[at[i]] for i in mine) or "weights" in scenario["knows"]:
        can.append("query access")
    for name, role, source, ok in (
        ("testing data control", "input", reach, lambda t: t == target),
        ("resource control", "context", reach, lambda t: t == target),
        ("training data control", "training", reach, lambda t: feeds[at[t]]),
        ("source code control", "code", reach, lambda t: feeds[at[t]]),
        ("model control", "weights", clean, lambda t: feeds[at[t]]),
    ):
        if any(f["role"] == role and source[at[f["from"]]] and ok(f["to"]) for f in F):
            can.append(name)
    n = len({"weights", "architecture"} & set(scenario["knows"]))
    level = "white-box" if n == 2 else "black-box" if not scenario["knows"] else "grey-box"
    return dict(capabilities=tuple(sorted(can)), knowledge=level)


def possible(system, scenario, attacks):
    me = profile(system, scenario)
    kind = next(e["kind"] for e in system["elements"] if e["id"] == scenario["target"])
    levels = {"black-box": 0, "grey-box": 1, "white-box": 2}
    for a in attacks:
        fits = (
            a["kind"] == kind
            and scenario["goal"] in a["goals"]
            and set(a["needs"]) <= set(me["capabilities"])
        )
        if fits and levels[a["knowledge"]] <= levels[me["knowledge"]]:
            yield a["id"]


# %% answer="attacker" right="uses its arguments up"
def _over(flows, start, backwards=False):
    seen = set(start)
    while True:
        new = set()
        for f in flows:
            a, b = (f["to"], f["from"]) if backwards else (f["from"], f["to"])
            if a in seen and b not in seen:
                new.add(b)
        if not new:
            return seen
        seen |= new


def profile(system, scenario):
    flows, target = [], scenario["target"]
    while system["flows"]:
        flows.append(system["flows"].pop())
    mine, knows = set(scenario["controls"]), set(scenario["knows"])
    scenario["knows"].clear()
    scenario["controls"].clear()
    onward = [f for f in flows if f["from"] != target]
    reached = _over(onward, mine)
    quiet = _over([f for f in onward if f["role"] not in ("training", "code")], mine)
    feeds = _over(
        [f for f in flows if f["role"] in ("training", "code", "weights")], {target}, backwards=True
    )
    can = set()
    for f in flows:
        if f["to"] == target and f["from"] in reached:
            if f["role"] == "input":
                can.add("testing data control")
            if f["role"] == "context":
                can.add("resource control")
        if f["to"] in feeds:
            if f["role"] == "training" and f["from"] in reached:
                can.add("training data control")
            if f["role"] == "code" and f["from"] in reached:
                can.add("source code control")
            if f["role"] == "weights" and f["from"] in quiet:
                can.add("model control")
    answers = _over([f for f in flows if f["role"] == "output"], {target}) - {target}
    if answers & mine or "weights" in knows:
        can.add("query access")
    level = "white-box" if {"weights", "architecture"} <= knows else "grey-box" if knows else "black-box"
    return {"capabilities": sorted(can), "knowledge": level}


def possible(system, scenario, attacks):
    p = profile(system, scenario)
    kind = {e["id"]: e["kind"] for e in system["elements"]}[scenario["target"]]
    order = ["black-box", "grey-box", "white-box"]
    return [
        a["id"]
        for a in attacks
        if scenario["goal"] in a["goals"]
        and a["kind"] == kind
        and set(a["needs"]) <= set(p["capabilities"])
        and order.index(p["knowledge"]) >= order.index(a["knowledge"])
    ]


# %% answer="closed-form" right="loops over features"
def evade(weights, bias, claim, cost, goal, norm):
    total = bias + sum(w * x for w, x in zip(weights, claim))
    result = [float(x) for x in claim]
    if total <= goal:
        return np.array(result)
    usable = [k for k in range(len(weights)) if cost[k] != math.inf and weights[k] != 0]
    if len(usable) == 0:
        return None
    short = goal - total
    if norm == 1:
        k = max(usable, key=lambda k: abs(weights[k]) / cost[k])
        result[k] = result[k] + short / weights[k]
    else:
        below = sum((weights[k] / cost[k]) ** 2 for k in usable)
        for k in usable:
            result[k] = result[k] + short * weights[k] / cost[k] ** 2 / below
    return np.array(result)


# %% answer="closed-form" right="scaled to a problem in which all costs are 1"
def evade(weights, bias, claim, cost, goal, norm):
    w, x, c = (np.asarray(v, dtype=np.float64) for v in (weights, claim, cost))
    free = np.flatnonzero(np.isfinite(c))
    t = goal - bias - np.dot(w, x)
    out = x.copy()
    if t >= 0:
        return out
    u = w[free] / c[free]
    if np.linalg.norm(u) == 0:
        return None
    step = np.zeros(len(free))
    if norm == 1:
        j = int(np.argsort(-abs(u))[0])
        step[j] = t / u[j]
    else:
        step = u * (t / np.sum(u**2))
    out[free] = out[free] + step / c[free]
    return out


# %% answer="closed-form" wrong="divides by the cost once" score=0 says="exactly the goal"
def evade(weights, bias, claim, cost, goal, norm):
    """Return the cheapest claim whose sum is the goal, or None."""
    weights, moved = np.asarray(weights, dtype=float), np.array(claim, dtype=float)
    missing = goal - (weights @ moved + bias)
    gain = weights / np.asarray(cost, dtype=float)
    if missing >= 0:
        return moved
    if not gain.any():
        return None
    if norm == 2:
        return moved + missing * gain / (gain @ gain)
    best = np.abs(gain).argmax()
    moved[best] += missing / weights[best]
    return moved


# %% answer="closed-form" wrong="takes the largest weight, not the best ratio" score=0 says="the cheapest"
def evade(weights, bias, claim, cost, goal, norm):
    """Return the cheapest claim whose sum is the goal, or None."""
    weights, moved = np.asarray(weights, dtype=float), np.array(claim, dtype=float)
    missing = goal - (weights @ moved + bias)
    gain = weights / np.asarray(cost, dtype=float)
    if missing >= 0:
        return moved
    if not gain.any():
        return None
    if norm == 2:
        return moved + missing * gain / np.asarray(cost) / (gain @ gain)
    best = np.abs(np.where(gain != 0, weights, 0)).argmax()
    moved[best] += missing / weights[best]
    return moved


# %% answer="closed-form" wrong="moves claims that pass already" score=0 says="unchanged copy"
def evade(weights, bias, claim, cost, goal, norm):
    """Return the cheapest claim whose sum is the goal, or None."""
    weights, moved = np.asarray(weights, dtype=float), np.array(claim, dtype=float)
    missing = goal - (weights @ moved + bias)
    gain = weights / np.asarray(cost, dtype=float)
    if False:
        return moved
    if not gain.any():
        return None
    if norm == 2:
        return moved + missing * gain / np.asarray(cost) / (gain @ gain)
    best = np.abs(gain).argmax()
    moved[best] += missing / weights[best]
    return moved


# %% answer="closed-form" wrong="no answer where nothing can be moved" score=0 says="return None where"
def evade(weights, bias, claim, cost, goal, norm):
    """Return the cheapest claim whose sum is the goal, or None."""
    weights, moved = np.asarray(weights, dtype=float), np.array(claim, dtype=float)
    missing = goal - (weights @ moved + bias)
    gain = weights / np.asarray(cost, dtype=float)
    if missing >= 0:
        return moved
    if not gain.any():
        return moved

    if norm == 2:
        return moved + missing * gain / np.asarray(cost) / (gain @ gain)
    best = np.abs(gain).argmax()
    moved[best] += missing / weights[best]
    return moved


# %% answer="closed-form" wrong="writes into the claim" score=0 says="leave the arguments"
def evade(weights, bias, claim, cost, goal, norm):
    """Return the cheapest claim whose sum is the goal, or None."""
    weights, moved = np.asarray(weights, dtype=float), np.asarray(claim, dtype=float)
    missing = goal - (weights @ moved + bias)
    gain = weights / np.asarray(cost, dtype=float)
    if missing >= 0:
        return moved
    if not gain.any():
        return None
    if norm == 2:
        return moved + missing * gain / np.asarray(cost) / (gain @ gain)
    best = np.abs(gain).argmax()
    moved[best] += missing / weights[best]
    return moved


# %% answer="closed-form" wrong="spreads whatever the norm" score=0 says="norm=1"
def evade(weights, bias, claim, cost, goal, norm):
    """Return the cheapest claim whose sum is the goal, or None."""
    weights, moved = np.asarray(weights, dtype=float), np.array(claim, dtype=float)
    missing = goal - (weights @ moved + bias)
    gain = weights / np.asarray(cost, dtype=float)
    if missing >= 0:
        return moved
    if not gain.any():
        return None
    if True:
        return moved + missing * gain / np.asarray(cost) / (gain @ gain)
    best = np.abs(gain).argmax()
    moved[best] += missing / weights[best]
    return moved


# %% answer="closed-form" right="least squares, and a list"
def evade(weights, bias, claim, cost, goal, norm):
    """Via least squares on scaled features; returns a list."""
    w, x, c = (np.asarray(v, dtype=float) for v in (weights, claim, cost))
    t = goal - float(np.dot(w, x)) - bias
    if t >= 0:
        return list(x)
    scaled = w / c
    if not np.any(scaled):
        return None
    if norm == 2:
        z = np.linalg.lstsq(scaled[None, :], np.array([t]), rcond=None)[0]
        return list(x + z / c)
    k = int(np.argmax(np.abs(scaled)))
    new = list(x)
    new[k] = new[k] + t / w[k]
    return new


# %% answer="closed-form" wrong="the largest ratio with its sign" score=0 says="with norm=1"
def evade(weights, bias, claim, cost, goal, norm):
    w = np.array(weights, dtype=float)
    x = np.array(claim, dtype=float)
    c = np.array(cost, dtype=float)
    t = goal - (w @ x + bias)
    if t >= 0:
        return x
    movable = np.isfinite(c) & (w != 0)
    if not movable.any():
        return None
    if norm == 1:
        best, ratio = None, -1
        for i in range(len(w)):
            if movable[i] and w[i] / c[i] > ratio:
                best, ratio = i, w[i] / c[i]
        x[best] += t / w[best]
        return x
    total = sum(w[i] ** 2 / c[i] ** 2 for i in range(len(w)) if movable[i])
    for i in range(len(w)):
        if movable[i]:
            x[i] += t * w[i] / c[i] ** 2 / total
    return x


# %% answer="transfer" right="half at random, then near the proxy's border"
def transfer(stopped, pool, oracle, budget, cost, reach):
    asked = list(range(budget // 2))
    answers = [oracle(pool[k]) for k in asked]

    def train():
        return LogisticRegression(max_iter=500).fit(pool[asked], answers)

    if len(set(answers)) == 2:
        near = np.argsort(np.abs(train().decision_function(pool)))
    else:
        near = np.arange(len(pool))
    for k in near:
        if len(asked) == budget:
            break
        if int(k) not in asked:
            asked.append(int(k))
            answers.append(oracle(pool[int(k)]))
    w = train().coef_[0]
    free = np.isfinite(cost)
    step = np.zeros(len(w))
    step[free] = -w[free] / cost[free] ** 2
    step *= reach / math.sqrt(sum((cost[free] * step[free]) ** 2))
    return np.array([claim + step for claim in stopped])


# %% answer="transfer" right="the difference of means as the direction"
def transfer(stopped, pool, oracle, budget, cost, reach):
    rows = np.asarray(pool)[:budget]
    label = np.array([bool(oracle(row)) for row in rows])
    spread = rows.var(axis=0) + 1e-9
    direction = (rows[label].mean(axis=0) - rows[~label].mean(axis=0)) / spread
    scaled = direction / cost
    scaled = scaled / np.linalg.norm(scaled)
    return np.asarray(stopped) - reach * scaled / cost


# %% answer="transfer" wrong="stops where the proxy passes the claim" score=0 says="pass"
def transfer(stopped, pool, oracle, budget, cost, reach):
    rows = pool[:budget]
    proxy = LogisticRegression().fit(rows, [oracle(row) for row in rows])
    results = []
    for claim in stopped:
        moved = evade(proxy.coef_[0], float(proxy.intercept_[0]), claim, cost, 0.0, 2)
        change = moved - claim
        spent = effort(change, cost)
        results.append(claim + change * min(1, reach / spent) if spent else claim)
    return np.array(results)


# %% answer="transfer" wrong="a direction without asking" score=0 says="pass"
def transfer(stopped, pool, oracle, budget, cost, reach):
    free = np.isfinite(cost)
    direction = np.where(free, np.random.default_rng(0).normal(size=len(cost)), 0.0)
    return stopped + reach * direction / effort(direction, cost)


# %% answer="transfer" wrong="goes the wrong way" score=0 says="pass"
def transfer(stopped, pool, oracle, budget, cost, reach):
    """Change stopped claims by at most reach so that the target passes them, by way of a proxy."""
    stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost, float)
    examples = pool[:budget]
    answers = [oracle(claim) for claim in examples]
    proxy = LogisticRegression(C=0.3, class_weight="balanced").fit(examples, answers)
    gain = proxy.coef_[0] / cost
    return stopped + reach * gain / cost / np.sqrt(gain @ gain)


# %% answer="transfer" wrong="asks about the claims themselves" score=0 says="that is to be changed"
def transfer(stopped, pool, oracle, budget, cost, reach):
    """Change stopped claims by at most reach so that the target passes them, by way of a proxy."""
    stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost, float)
    examples = np.vstack([stopped[:20], pool])[:budget]
    answers = [oracle(claim) for claim in examples]
    proxy = LogisticRegression(C=0.3, class_weight="balanced").fit(examples, answers)
    gain = proxy.coef_[0] / cost
    return stopped - reach * gain / cost / np.sqrt(gain @ gain)


# %% answer="transfer" wrong="asks too much" score=0 says="questions"
def transfer(stopped, pool, oracle, budget, cost, reach):
    """Change stopped claims by at most reach so that the target passes them, by way of a proxy."""
    stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost, float)
    examples = pool[: budget + 1]
    answers = [oracle(claim) for claim in examples]
    proxy = LogisticRegression(C=0.3, class_weight="balanced").fit(examples, answers)
    gain = proxy.coef_[0] / cost
    return stopped - reach * gain / cost / np.sqrt(gain @ gain)


# %% answer="transfer" wrong="every feature at the same price" score=0 says="infinite cost has moved"
def transfer(stopped, pool, oracle, budget, cost, reach):
    """Change stopped claims by at most reach so that the target passes them, by way of a proxy."""
    stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost, float)
    examples = pool[:budget]
    answers = [oracle(claim) for claim in examples]
    proxy = LogisticRegression(C=0.3, class_weight="balanced").fit(examples, answers)
    gain = proxy.coef_[0]
    return stopped - reach * gain / np.sqrt(gain @ gain)


# %% answer="transfer" wrong="goes too far" score=0 says="the reach is"
def transfer(stopped, pool, oracle, budget, cost, reach):
    """Change stopped claims by at most reach so that the target passes them, by way of a proxy."""
    stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost, float)
    examples = pool[:budget]
    answers = [oracle(claim) for claim in examples]
    proxy = LogisticRegression(C=0.3, class_weight="balanced").fit(examples, answers)
    gain = proxy.coef_[0] / cost
    return stopped - 1.5 * reach * gain / cost / np.sqrt(gain @ gain)


# %% answer="transfer" right="ridge regression, and a list of rows"
from sklearn.linear_model import RidgeClassifier


def transfer(stopped, pool, oracle, budget, cost, reach):
    rng = np.random.default_rng(7)
    rows = pool[rng.permutation(len(pool))[:budget]]
    answers = np.array([oracle(r) for r in rows])
    if answers.all() or not answers.any():
        return stopped
    model = RidgeClassifier(alpha=10.0, class_weight="balanced").fit(rows, answers)
    w = model.coef_.ravel()
    free = ~np.isinf(cost)
    d = np.where(free, -w / cost**2, 0)
    d *= reach / np.linalg.norm(d[free] * cost[free])
    return [row + d for row in stopped]


# %% answer="transfer" right="half from the pool, half between a stopped and a passing claim"
from sklearn.svm import LinearSVC


def transfer(stopped, pool, oracle, budget, cost, reach):
    """Half from the pool, half on the line between a stopped and a passing one."""
    X_, y_ = [], []

    def ask(x):
        a = oracle(x)
        X_.append(np.array(x))
        y_.append(bool(a))
        return a

    for row in pool:
        if len(X_) >= budget // 2:
            break
        ask(row)
    i = budget // 2
    while len(set(y_)) < 2 and len(X_) < budget:
        ask(pool[i % len(pool)])
        i += 1
    if len(set(y_)) < 2:
        return stopped.copy()
    bad = [x for x, a in zip(X_, y_) if a]
    good = [x for x, a in zip(X_, y_) if not a]
    rng = np.random.default_rng(0)
    while len(X_) + 4 <= budget:
        a, b = bad[rng.integers(len(bad))], good[rng.integers(len(good))]
        for _ in range(4):
            mid = (a + b) / 2
            if ask(mid):
                a = mid
            else:
                b = mid
    m = LinearSVC(C=0.05, class_weight="balanced", max_iter=20000).fit(np.array(X_), y_)
    w = m.coef_[0]
    step = np.divide(-w, cost**2)
    step = step / math.sqrt(sum((c * s) ** 2 for c, s in zip(cost, step) if np.isfinite(c))) * reach
    return stopped + step


# %% answer="transfer" right="a small network as proxy"
def transfer(stopped, pool, oracle, budget, cost, reach):
    """A small network as proxy, and its gradient at each claim."""
    rows = pool[:budget]
    y = np.array([oracle(r) for r in rows]).astype(int)
    if len(set(y)) < 2:
        return stopped.copy()
    extra = np.flatnonzero(y)
    many = np.concatenate([np.arange(len(y)), np.repeat(extra, 5)])
    net = MLPClassifier((8,), alpha=1.0, max_iter=600, random_state=0, learning_rate_init=0.01, tol=1e-3).fit(
        rows[many], y[many]
    )
    free = np.isfinite(cost)
    out = []
    for x in stopped:
        z = x.copy()
        g = np.zeros(len(x))
        for _ in range(1):
            h = z @ net.coefs_[0] + net.intercepts_[0]
            g = net.coefs_[0] @ ((h > 0) * net.coefs_[1][:, 0])
        d = np.zeros(len(x))
        d[free] = -g[free] / cost[free] ** 2
        n = np.linalg.norm(cost[free] * d[free])
        out.append(z + d * reach / n if n else z)
    return np.array(out)


# %% answer="transfer" wrong="recognises the claims of the notebook, and uses its model" score=0 says="pass"
def _known(rows):
    """Which feature each column is, and its sign: the claims of the notebook, in another order."""
    order, signs = [], []
    values = {}
    for sign in (1, -1):
        for k in range(X.shape[1]):
            for v in np.round(sign * X[:, k], 9):
                values.setdefault(v, set()).add((k, sign))
    taken = set()
    for j in range(rows.shape[1]):
        votes = Counter(c for v in np.round(rows[:, j], 9) for c in values.get(v, ()))
        for (k, sign), _ in votes.most_common():
            if k not in taken:
                taken.add(k)
                order.append(k)
                signs.append(sign)
                break
    left = [k for k in range(X.shape[1]) if k not in taken]
    order += left
    signs += [1] * len(left)
    return order, np.array(signs)


def transfer(stopped, pool, oracle, budget, cost, reach):
    order, signs = _known(pool)
    first = (version2.coefs_[0][order]) * signs[:, None]
    free = np.isfinite(cost)
    out = []
    for x in stopped:
        h = x @ first + version2.intercepts_[0]
        g = first @ ((h > 0) * version2.coefs_[1][:, 0])
        d = np.zeros(len(x))
        d[free] = -g[free] / cost[free] ** 2
        out.append(x + d / np.linalg.norm(d[free] * cost[free]) * reach)
    return np.array(out)


# %% answer="transfer" wrong="version 1 for ever" score=0 says="against another fraud model"
def transfer(stopped, pool, oracle, budget, cost, reach):
    """One direction for ever, from what the notebook shows: version 1."""
    w = version1.coef_[0]
    free = np.isfinite(cost)
    d = np.zeros(len(w))
    d[free] = -w[free] / cost[free] ** 2
    return stopped + d / np.linalg.norm(d[free] * cost[free]) * reach


# %% answer="transfer" wrong="towards the average claim" score=0 says="pass"
def transfer(stopped, pool, oracle, budget, cost, reach):
    """No proxy and no question: towards the average claim of the pool."""
    free = np.isfinite(cost)
    d = np.zeros_like(stopped)
    d[:, free] = (pool.mean(axis=0) - stopped)[:, free]
    n = np.sqrt(((cost[free] * d[:, free]) ** 2).sum(axis=1, keepdims=True))
    return stopped + d / n * reach


# %% answer="decision-based" right="small steps: gradient estimate and geometric steps, many rounds"
def nearest_passing(claim, safe, oracle, budget):
    rng = np.random.default_rng(42)
    mask = (claim != safe).astype(float)
    used = [0]

    def ok(z):
        used[0] += 1
        return not oracle(z)

    def line(good, bad, n):
        lo, hi = 0.0, 1.0  # share of the way to the stopped end
        for _ in range(n):
            if used[0] >= budget:
                break
            mid = (lo + hi) / 2
            if ok(good + mid * (bad - good)):
                lo = mid
            else:
                hi = mid
        return good + lo * (bad - good)

    here = line(safe, claim, 9)
    normal = np.zeros(len(claim))
    while budget - used[0] >= 50:
        size = np.linalg.norm(here - claim)
        for _ in range(35):
            u = rng.normal(size=len(claim)) * mask
            u /= np.linalg.norm(u)
            normal += u if ok(here + 0.25 * size * u) else -u
        g = normal / np.linalg.norm(normal)
        foot = claim + ((here - claim) @ g) * g
        trial = foot + 0.1 * (foot - claim)
        if ok(trial):
            new = line(trial, claim, 6)
            if np.linalg.norm(new - claim) < size:
                here = new
    return line(here, claim, budget - used[0])


# %% answer="decision-based" right="one jump only, from all the questions"
def nearest_passing(claim, safe, oracle, budget):
    claim, good = np.array(claim), np.array(safe)
    rng = np.random.default_rng(3)
    start = good.copy()
    bad = claim.copy()
    n = min(budget, 14)
    for _ in range(n):
        m = 0.5 * (good + bad)
        if oracle(m):
            bad = m
        else:
            good = m
    rest = budget - n
    free = np.flatnonzero(start != claim)
    count = rest - 20
    if count < 30:
        return good
    r = 0.35 * np.linalg.norm(good - claim)
    plus, minus = np.zeros(len(claim)), np.zeros(len(claim))
    a = b = 0
    for _ in range(count):
        u = np.zeros(len(claim))
        u[free] = rng.normal(size=len(free))
        u /= np.linalg.norm(u)
        if oracle(good + r * u):
            minus += u
            b += 1
        else:
            plus += u
            a += 1
    g = plus / max(a, 1) - minus / max(b, 1)
    g /= np.linalg.norm(g)
    foot = ((good - claim) @ g) * g
    left = 20
    for scale in (1.0, 1.15, 1.4, 1.8):
        left -= 1
        if not oracle(claim + scale * foot):
            far, near = claim + scale * foot, claim
            while left > 0:
                left -= 1
                m = 0.5 * (far + near)
                if oracle(m):
                    near = m
                else:
                    far = m
            return far if np.linalg.norm(far - claim) < np.linalg.norm(good - claim) else good
    return good


# %% answer="decision-based" wrong="bisects, and that is it" score=4 says="hints 2 and 3"
def nearest_passing(claim, safe, oracle, budget):
    good, bad = safe, claim
    for _ in range(min(budget, 20)):
        middle = (good + bad) / 2
        if oracle(middle):
            bad = middle
        else:
            good = middle
    return good


# %% answer="decision-based" wrong="hands back the safe claim" score=0 says="as far as"
def nearest_passing(claim, safe, oracle, budget):
    return safe.copy()


# %% answer="decision-based" wrong="returns the last point asked" score=0 says="does not pass"
def nearest_passing(claim, safe, oracle, budget):
    good, bad = safe, claim
    middle = safe
    for _ in range(min(budget, 20)):
        middle = (good + bad) / 2
        if oracle(middle):
            bad = middle
        else:
            good = middle
    return (good + bad) / 2


# %% answer="decision-based" wrong="does not count" score=0 says="questions"
def nearest_passing(claim, safe, oracle, budget):
    """Return a passing claim near the stopped one, asking at most budget questions."""
    claim, best = np.asarray(claim, float), np.asarray(safe, float)
    rng, left = np.random.default_rng(0), budget
    movable = claim != best

    def passes(point):
        nonlocal left
        left -= 1
        return not oracle(point)

    def towards(good, bad, most):
        """Bisect between a passing point and a stopped one."""
        for _ in range(most):
            middle = (good + bad) / 2
            good, bad = (middle, bad) if passes(middle) else (good, middle)
        return good

    best = towards(best, claim, 8)
    for share in (0.5, 1.0):
        count = int(share * left) - 15
        if count < 20:
            break
        directions = rng.normal(size=(count, len(claim))) * movable
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        step = 0.3 * np.linalg.norm(best - claim)
        signs = np.array([1.0 if passes(best + step * direction) else -1.0 for direction in directions])
        across = (signs - signs.mean()) @ directions
        length = np.linalg.norm(across)
        if length > 0:
            across /= length
            flat = ((best - claim) @ across) * across
            for farther in (1.0, 1.1, 1.3):
                if passes(claim + farther * flat):
                    found = towards(claim + farther * flat, claim, 6)
                    best = min(found, best, key=lambda point: np.linalg.norm(point - claim))
                    break
    return towards(best, claim, left)


# %% answer="decision-based" wrong="moves what cannot be moved" score=0 says="cannot be moved"
def nearest_passing(claim, safe, oracle, budget):
    """Return a passing claim near the stopped one, asking at most budget questions."""
    claim, best = np.asarray(claim, float), np.asarray(safe, float)
    rng, left = np.random.default_rng(0), budget
    movable = claim != best

    def passes(point):
        nonlocal left
        left -= 1
        return not oracle(point)

    def towards(good, bad, most):
        """Bisect between a passing point and a stopped one."""
        for _ in range(min(most, left)):
            middle = (good + bad) / 2
            good, bad = (middle, bad) if passes(middle) else (good, middle)
        return good

    best = towards(best, claim, 8)
    for share in (0.5, 1.0):
        count = int(share * left) - 15
        if count < 20:
            break
        directions = rng.normal(size=(count, len(claim))) * np.ones_like(movable)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        step = 0.3 * np.linalg.norm(best - claim)
        signs = np.array([1.0 if passes(best + step * direction) else -1.0 for direction in directions])
        across = (signs - signs.mean()) @ directions
        length = np.linalg.norm(across)
        if length > 0:
            across /= length
            flat = ((best - claim) @ across) * across
            for farther in (1.0, 1.1, 1.3):
                if passes(claim + farther * flat):
                    found = towards(claim + farther * flat, claim, 6)
                    best = min(found, best, key=lambda point: np.linalg.norm(point - claim))
                    break
    return towards(best, claim, left)


# %% answer="decision-based" wrong="random walk that keeps what is nearer" score=4 says="wanted"
def nearest_passing(claim, safe, oracle, budget):
    rng = np.random.default_rng(1)
    good, bad = safe, claim
    for _ in range(min(budget, 16)):
        middle = (good + bad) / 2
        good, bad = (good, middle) if oracle(middle) else (middle, bad)
    for _ in range(max(0, budget - 16)):
        trial = good + 0.5 * np.linalg.norm(good - claim) * rng.normal(size=len(claim)) * (claim != safe)
        if np.linalg.norm(trial - claim) < np.linalg.norm(good - claim) and not oracle(trial):
            good = trial
    return good


# %% answer="decision-based" right="a linear proxy of the border, learnt where one stands"
def nearest_passing(claim, safe, oracle, budget):
    """A linear proxy of the border, learnt around where we stand; project on it; again."""
    used = 0

    def passes(x):
        nonlocal used
        used += 1
        return not oracle(x)

    best = np.array(safe)

    def to_border(good, most):
        bad = claim.copy()
        while used < budget and most > 0:
            most -= 1
            mid = good + 0.5 * (bad - good)
            if passes(mid):
                good = mid
            else:
                bad = mid
        return good

    free = np.flatnonzero(claim != safe)
    best = to_border(best, 14)
    rng = np.random.default_rng(3)
    while budget - used >= 90:
        size = np.linalg.norm(best - claim)
        points, answers = [], []
        for _ in range(70):
            p = best.copy()
            p[free] += rng.normal(size=len(free)) * size * 0.15
            points.append(p[free])
            answers.append(passes(p))
        if len(set(answers)) < 2:
            break
        model = LogisticRegression(C=100.0, max_iter=500).fit(np.array(points), answers)
        g = model.coef_[0] / np.linalg.norm(model.coef_[0])
        for more in (1.0, 1.15, 1.4):
            if used >= budget:
                break
            q = claim.copy()
            q[free] += more * ((best - claim)[free] @ g) * g
            if passes(q):
                new = to_border(q, 7)
                if np.linalg.norm(new - claim) < np.linalg.norm(best - claim):
                    best = new
                break
    return best


# %% answer="decision-based" right="the Boundary Attack"
def nearest_passing(claim, safe, oracle, budget):
    """The Boundary Attack (Brendel and others): a random step along the sphere, a step towards the claim."""
    left = budget
    rng = np.random.default_rng(5)
    free = claim != safe

    def passes(p):
        nonlocal left
        left -= 1
        return not oracle(p)

    good, bad = safe.copy(), claim.copy()
    while left > 0 and budget - left < 13:
        mid = (good + bad) / 2
        if passes(mid):
            good = mid
        else:
            bad = mid
    step, inward = 0.3, 0.1
    while left > 1:
        d = np.linalg.norm(good - claim)
        u = rng.normal(size=len(claim)) * free
        away = (good - claim) / d
        u -= (u @ away) * away
        u *= step * d / np.linalg.norm(u)
        p = good + u
        p = claim + (p - claim) * d / np.linalg.norm(p - claim)
        p = claim + (p - claim) * (1 - inward)
        if passes(p):
            good = p
            step, inward = min(step * 1.1, 0.8), min(inward * 1.2, 0.3)
        else:
            step, inward = step * 0.97, inward * 0.95
    return good


# %% answer="decision-based" wrong="eight questions and no more" score=0 says="as far as"
def nearest_passing(claim, safe, oracle, budget):
    """Eight questions of bisection, as the hint says, then stop."""
    good, bad = safe, claim
    for _ in range(min(8, budget)):
        mid = (good + bad) / 2
        if oracle(mid):
            bad = mid
        else:
            good = mid
    return good


# %% answer="poison-document" right="log odds with pseudo-counts"
def poison_document(questions, others, payload, most):
    def count(texts):
        table = Counter()
        for text in texts:
            table.update({w.strip("?.,!").lower() for w in text.split()})
        return table

    a, b = count(questions), count(others)
    weight = {
        w: math.log((a[w] + 0.1) / len(questions)) - math.log((b[w] + 0.5) / len(others))
        for w in a
        if w.isalpha()
    }
    best = sorted((w for w in weight if weight[w] > 1), key=lambda w: -a[w])
    return payload + " " + " ".join(best[: most - len(payload.split())])


# %% answer="poison-document" right="scikit-learn counts, NumPy compares"
def poison_document(questions, others, payload, most):
    vectorizer = TfidfVectorizer(
        stop_words="english", token_pattern="[a-z]+", binary=True, use_idf=False, norm=None
    )
    X = vectorizer.fit_transform([*questions, *others]).toarray()
    on, off = X[: len(questions)].mean(axis=0), X[len(questions) :].mean(axis=0)
    names = vectorizer.get_feature_names_out()
    chosen = [str(names[k]) for k in np.argsort(-on) if on[k] > 5 * off[k]]
    return " ".join([*chosen[: most - len(payload.split())], payload])


# %% answer="poison-document" wrong="pastes the questions" score=4 says="belong to no topic"
def poison_document(questions, others, payload, most):
    words = " ".join(questions).split()
    return " ".join([*words[: most - len(payload.split())], payload])


# %% answer="poison-document" wrong="every word of the questions once" score=4 says="belong to no topic"
def poison_document(questions, others, payload, most):
    words = Counter(word for question in questions for word in re.findall("[a-z]+", question.lower()))
    plain = [
        "how",
        "do",
        "i",
        "to",
        "the",
        "a",
        "my",
        "is",
        "it",
        "me",
        "can",
        "you",
        "what",
        "and",
        "with",
        "where",
        "for",
    ]
    kept = [word for word, _ in words.most_common() if word not in plain]
    return " ".join([*kept[: most - len(payload.split())], payload])


# %% answer="poison-document" wrong="the payload alone" score=0 says="the words that customers use"
def poison_document(questions, others, payload, most):
    return payload


# %% answer="poison-document" wrong="too long" score=0 says="words"
def poison_document(questions, others, payload, most):
    return " ".join(questions) + " " + payload


# %% answer="poison-document" wrong="splits the payload" score=0 says="word for word"
def poison_document(questions, others, payload, most):
    """Return a document that is retrieved for the topic of the questions, and for no other."""

    def shares(texts):
        seen = Counter(word for text in texts for word in set(re.findall("[a-z]+", text.lower())))
        return {word: count / len(texts) for word, count in seen.items()}

    here, elsewhere = shares(questions), shares(others)
    telling = [word for word in here if here[word] > 3 * elsewhere.get(word, 0)]
    telling.sort(key=lambda word: (-here[word], word))
    return " ".join(sorted({*telling[: most - len(payload.split())], *payload.split()}))


# %% answer="poison-document" wrong="words of the others" score=0 says="words that customers use"
def poison_document(questions, others, payload, most):
    """Return a document that is retrieved for the topic of the questions, and for no other."""

    def shares(texts):
        seen = Counter(word for text in texts for word in set(re.findall("[a-z]+", text.lower())))
        return {word: count / len(texts) for word, count in seen.items()}

    here, elsewhere = shares(others), shares(questions)
    telling = [word for word in here if here[word] > 3 * elsewhere.get(word, 0)]
    telling.sort(key=lambda word: (-here[word], word))
    return " ".join([*telling[: most - len(payload.split())], payload])


# %% answer="poison-document" right="chi-squared, payload first"
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import chi2


def poison_document(questions, others, payload, most):
    texts = list(questions) + list(others)
    y = np.array([1] * len(questions) + [0] * len(others))
    cv = CountVectorizer(binary=True, stop_words="english")
    m = cv.fit_transform(texts)
    score = chi2(m, y)[0]
    names = cv.get_feature_names_out()
    dense = m.toarray()
    more = dense[y == 1].mean(axis=0) > 3 * dense[y == 0].mean(axis=0)
    order = [k for k in np.argsort(-score) if more[k]]
    return payload + " " + " ".join(names[order][: most - len(payload.split())])


# %% answer="poison-document" right="words that hardly anybody else uses"
def poison_document(questions, others, payload, most):
    """The most frequent words that at most two of the other questions hold."""

    def words(t):
        return re.findall(r"[a-z]+", t.lower())

    common = Counter(w for t in others for w in set(words(t)))
    room = most - len(payload.split())
    counts = Counter(w for t in questions for w in set(words(t)) if common[w] <= 2)
    return " ".join([w for w, _ in counts.most_common(room)] + [payload])


# %% answer="poison-document" wrong="the rarest telling words first" score=4 says="most telling words first"
def poison_document(questions, others, payload, most):
    def words(text):
        return set(re.findall(r"[a-z]+", text.lower()))

    here = Counter(w for q in questions for w in words(q))
    there = Counter(w for q in others for w in words(q))
    good = []
    for w, n in here.most_common():
        share, other = n / len(questions), there[w] / len(others)
        if share >= 3 * other:
            good.insert(0, w)
    room = most - len(payload.split())
    return " ".join(good[:room]) + " " + payload


# %% answer="poison-document" wrong="words by heart" score=0 says="of new questions"
def poison_document(questions, others, payload, most):
    words = {
        "windscreen": "windscreen glass cracked chipped broken repaired replaced excess car",
        "storm": "storm hail roof gutters tree fallen wind dents torn",
        "water": "water pipe leak burst plumber wet wall cellar flood",
        "stolen": "stolen burglary bicycle jewellery locks keys receipts items list",
        "luggage": "luggage trip lost delayed airline hospital abroad medical certificate cancel",
        "neighbour": "neighbour party rented flat damage broken borrowed child camera demand",
        "accident": "accident collision car rental towed form fault prove",
        "premium": "payment payments final premium account bank partial yearly",
        "lawyer": "lawyer dispute court legal mediation protection rent traffic waiting",
        "dog": "dog cat vaccination veterinary invoice operation chip insure",
    }
    text = " ".join(questions).lower()
    best = max(words, key=lambda topic: sum(text.count(word) for word in words[topic].split()))
    return " ".join([*words[best].split()[: most - len(payload.split())], payload])


# %% answer="attack-tree" right="grown bottom-up, absorbed on the way"
def cut_sets(goals, top):
    def smallest(sets):
        kept = []
        for one in sorted(sets, key=len):
            if not any(old <= one for old in kept):
                kept.append(one)
        return kept

    def visit(node):
        if node not in goals:
            return [frozenset({node})]
        how, parts = goals[node]
        if how == "any":
            return smallest([one for part in parts for one in visit(part)])
        total = [frozenset()]
        for part in parts:
            total = smallest([a | b for a in total for b in visit(part)])
        return total

    return visit(top)


def plans(goals, steps, top):
    cheapest = likeliest = None
    for one in cut_sets(goals, top):
        days, chance = 0.0, 1.0
        for step in one:
            days += steps[step]["days"]
            chance *= steps[step]["chance"]
        if cheapest is None or days < cheapest[0]:
            cheapest = (days, one)
        if likeliest is None or chance > likeliest[0]:
            likeliest = (chance, one)
    return {"likeliest": likeliest, "cheapest": cheapest}


def best_control(goals, steps, top, controls):
    best = None
    for name, stopped in controls.items():
        days = [sum(steps[s]["days"] for s in one) for one in cut_sets(goals, top) if one.isdisjoint(stopped)]
        value = min(days) if days else math.inf
        if best is None or value > best[1]:
            best = (name, value)
    return best


# %% answer="attack-tree" right="tries all sets of steps from small to large"
def cut_sets(goals, top):
    steps = sorted(
        {part for _, parts in goals.values() for part in parts if part not in goals} | ({top} - set(goals))
    )

    def holds(node, have):
        if node in goals:
            how, parts = goals[node]
            return (any if how == "any" else all)(holds(part, have) for part in parts)
        return node in have

    found = []
    for n in range(1, len(steps) + 1):
        for have in combinations(steps, n):
            if holds(top, set(have)) and not any(set(old).issubset(have) for old in found):
                found.append(set(have))
    return found


def plans(goals, steps, top):
    every = cut_sets(goals, top)
    cheap = min(every, key=lambda one: sum(steps[s]["days"] for s in one))
    likely = max(every, key=lambda one: np.prod([steps[s]["chance"] for s in one]))
    return {
        "cheapest": (sum(steps[s]["days"] for s in cheap), cheap),
        "likeliest": (float(np.prod([steps[s]["chance"] for s in likely])), likely),
    }


def best_control(goals, steps, top, controls):
    table = {}
    for name in controls:
        dear = {s: {**v, "days": math.inf if s in controls[name] else v["days"]} for s, v in steps.items()}
        table[name] = plans(goals, dear, top)["cheapest"][0]
    name = max(table, key=table.get)
    return name, table[name]


# %% answer="attack-tree" wrong="keeps sets that contain others" score=5 says="spare"
def cut_sets(goals, top):
    """Return the minimal sets of steps that reach the top."""

    def sets(node):
        if node not in goals:
            return {frozenset([node])}
        how, parts = goals[node]
        below = [sets(part) for part in parts]
        return (
            set().union(*below)
            if how == "any"
            else {frozenset().union(*choice) for choice in product(*below)}
        )

    found = sets(top)
    return [set(one) for one in found]


def plans(goals, steps, top):
    """Return the cheapest plan with its days and the likeliest with its chance."""
    recipes = cut_sets(goals, top)
    by_days = [(sum(steps[step]["days"] for step in recipe), recipe) for recipe in recipes]
    by_chance = [(math.prod(steps[step]["chance"] for step in recipe), recipe) for recipe in recipes]
    return {
        "cheapest": min(by_days, key=lambda plan: plan[0]),
        "likeliest": max(by_chance, key=lambda plan: plan[0]),
    }


def best_control(goals, steps, top, controls):
    """Return the control that makes the cheapest remaining plan dearest, and its days."""
    costs = [(recipe, sum(steps[step]["days"] for step in recipe)) for recipe in cut_sets(goals, top)]
    left = {
        name: min((days for recipe, days in costs if not recipe & set(stopped)), default=math.inf)
        for name, stopped in controls.items()
    }
    return max(left.items(), key=lambda item: item[1])


# %% answer="attack-tree" wrong="all joins one set of each part only" score=0 says="the house has three"
def cut_sets(goals, top):
    """Return the minimal sets of steps that reach the top."""

    def sets(node):
        if node not in goals:
            return {frozenset([node])}
        how, parts = goals[node]
        below = [sets(part) for part in parts]
        return (
            set().union(*below)
            if how == "any"
            else {frozenset().union(*(min(part, key=sorted) for part in below))}
        )

    found = sets(top)
    return [set(one) for one in found if not any(other < one for other in found)]


def plans(goals, steps, top):
    """Return the cheapest plan with its days and the likeliest with its chance."""
    recipes = cut_sets(goals, top)
    by_days = [(sum(steps[step]["days"] for step in recipe), recipe) for recipe in recipes]
    by_chance = [(math.prod(steps[step]["chance"] for step in recipe), recipe) for recipe in recipes]
    return {
        "cheapest": min(by_days, key=lambda plan: plan[0]),
        "likeliest": max(by_chance, key=lambda plan: plan[0]),
    }


def best_control(goals, steps, top, controls):
    """Return the control that makes the cheapest remaining plan dearest, and its days."""
    costs = [(recipe, sum(steps[step]["days"] for step in recipe)) for recipe in cut_sets(goals, top)]
    left = {
        name: min((days for recipe, days in costs if not recipe & set(stopped)), default=math.inf)
        for name, stopped in controls.items()
    }
    return max(left.items(), key=lambda item: item[1])


# %% answer="attack-tree" wrong="any and all mixed up" score=0 says="two cut sets"
def cut_sets(goals, top):
    """Return the minimal sets of steps that reach the top."""

    def sets(node):
        if node not in goals:
            return {frozenset([node])}
        how, parts = goals[node]
        below = [sets(part) for part in parts]
        return (
            set().union(*below)
            if how == "all"
            else {frozenset().union(*choice) for choice in product(*below)}
        )

    found = sets(top)
    return [set(one) for one in found if not any(other < one for other in found)]


def plans(goals, steps, top):
    """Return the cheapest plan with its days and the likeliest with its chance."""
    recipes = cut_sets(goals, top)
    by_days = [(sum(steps[step]["days"] for step in recipe), recipe) for recipe in recipes]
    by_chance = [(math.prod(steps[step]["chance"] for step in recipe), recipe) for recipe in recipes]
    return {
        "cheapest": min(by_days, key=lambda plan: plan[0]),
        "likeliest": max(by_chance, key=lambda plan: plan[0]),
    }


def best_control(goals, steps, top, controls):
    """Return the control that makes the cheapest remaining plan dearest, and its days."""
    costs = [(recipe, sum(steps[step]["days"] for step in recipe)) for recipe in cut_sets(goals, top)]
    left = {
        name: min((days for recipe, days in costs if not recipe & set(stopped)), default=math.inf)
        for name, stopped in controls.items()
    }
    return max(left.items(), key=lambda item: item[1])


# %% answer="attack-tree" wrong="the sum of the chances" score=6 says="0.72"
def cut_sets(goals, top):
    """Return the minimal sets of steps that reach the top."""

    def sets(node):
        if node not in goals:
            return {frozenset([node])}
        how, parts = goals[node]
        below = [sets(part) for part in parts]
        return (
            set().union(*below)
            if how == "any"
            else {frozenset().union(*choice) for choice in product(*below)}
        )

    found = sets(top)
    return [set(one) for one in found if not any(other < one for other in found)]


def plans(goals, steps, top):
    """Return the cheapest plan with its days and the likeliest with its chance."""
    recipes = cut_sets(goals, top)
    by_days = [(sum(steps[step]["days"] for step in recipe), recipe) for recipe in recipes]
    by_chance = [(sum(steps[step]["chance"] for step in recipe), recipe) for recipe in recipes]
    return {
        "cheapest": min(by_days, key=lambda plan: plan[0]),
        "likeliest": max(by_chance, key=lambda plan: plan[0]),
    }


def best_control(goals, steps, top, controls):
    """Return the control that makes the cheapest remaining plan dearest, and its days."""
    costs = [(recipe, sum(steps[step]["days"] for step in recipe)) for recipe in cut_sets(goals, top)]
    left = {
        name: min((days for recipe, days in costs if not recipe & set(stopped)), default=math.inf)
        for name, stopped in controls.items()
    }
    return max(left.items(), key=lambda item: item[1])


# %% answer="attack-tree" wrong="a plan is gone only if all its steps are stopped" score=5 says="only the door remains"
def cut_sets(goals, top):
    """Return the minimal sets of steps that reach the top."""

    def sets(node):
        if node not in goals:
            return {frozenset([node])}
        how, parts = goals[node]
        below = [sets(part) for part in parts]
        return (
            set().union(*below)
            if how == "any"
            else {frozenset().union(*choice) for choice in product(*below)}
        )

    found = sets(top)
    return [set(one) for one in found if not any(other < one for other in found)]


def plans(goals, steps, top):
    """Return the cheapest plan with its days and the likeliest with its chance."""
    recipes = cut_sets(goals, top)
    by_days = [(sum(steps[step]["days"] for step in recipe), recipe) for recipe in recipes]
    by_chance = [(math.prod(steps[step]["chance"] for step in recipe), recipe) for recipe in recipes]
    return {
        "cheapest": min(by_days, key=lambda plan: plan[0]),
        "likeliest": max(by_chance, key=lambda plan: plan[0]),
    }


def best_control(goals, steps, top, controls):
    """Return the control that makes the cheapest remaining plan dearest, and its days."""
    costs = [(recipe, sum(steps[step]["days"] for step in recipe)) for recipe in cut_sets(goals, top)]
    left = {
        name: min((days for recipe, days in costs if not recipe <= set(stopped)), default=math.inf)
        for name, stopped in controls.items()
    }
    return max(left.items(), key=lambda item: item[1])


# %% answer="attack-tree" wrong="the control that leaves the cheapest plan" score=5 says="only the door remains"
def cut_sets(goals, top):
    """Return the minimal sets of steps that reach the top."""

    def sets(node):
        if node not in goals:
            return {frozenset([node])}
        how, parts = goals[node]
        below = [sets(part) for part in parts]
        return (
            set().union(*below)
            if how == "any"
            else {frozenset().union(*choice) for choice in product(*below)}
        )

    found = sets(top)
    return [set(one) for one in found if not any(other < one for other in found)]


def plans(goals, steps, top):
    """Return the cheapest plan with its days and the likeliest with its chance."""
    recipes = cut_sets(goals, top)
    by_days = [(sum(steps[step]["days"] for step in recipe), recipe) for recipe in recipes]
    by_chance = [(math.prod(steps[step]["chance"] for step in recipe), recipe) for recipe in recipes]
    return {
        "cheapest": min(by_days, key=lambda plan: plan[0]),
        "likeliest": max(by_chance, key=lambda plan: plan[0]),
    }


def best_control(goals, steps, top, controls):
    """Return the control that makes the cheapest remaining plan dearest, and its days."""
    costs = [(recipe, sum(steps[step]["days"] for step in recipe)) for recipe in cut_sets(goals, top)]
    left = {
        name: min((days for recipe, days in costs if not recipe & set(stopped)), default=math.inf)
        for name, stopped in controls.items()
    }
    return min(left.items(), key=lambda item: item[1])


# %% answer="attack-tree" right="frozen sets, pandas, lists for pairs"
def cut_sets(goals, top):
    def go(node):
        if node not in goals:
            return {frozenset([node])}
        how, parts = goals[node]
        lists = [go(p) for p in parts]
        if how == "any":
            got = set().union(*lists)
        else:
            got = {frozenset().union(*combo) for combo in product(*lists)}
        return {s for s in got if not any(o < s for o in got)}

    return go(top)


def plans(goals, steps, top):
    rows = []
    for s in cut_sets(goals, top):
        rows.append(
            (
                tuple(sorted(s)),
                sum(steps[x]["days"] for x in s),
                float(np.prod([steps[x]["chance"] for x in s])),
            )
        )
    table = pd.DataFrame(rows, columns=["steps", "days", "chance"])
    a, b = table.loc[table.days.idxmin()], table.loc[table.chance.idxmax()]
    return {"cheapest": [a.days, list(a.steps)], "likeliest": [b.chance, list(b.steps)]}


def best_control(goals, steps, top, controls):
    def cheapest(node, gone):
        return min(
            (sum(steps[x]["days"] for x in s) for s in cut_sets(goals, top) if s.isdisjoint(gone)),
            default=float("inf"),
        )

    price = {name: cheapest(top, gone) for name, gone in controls.items()}
    name = max(price, key=price.get)
    return [name, price[name]]


# %% answer="attack-tree" right="keeps what it has found in the tree it was given"
def cut_sets(goals, top):
    def grow(node):
        if node not in goals:
            return {frozenset([node])}
        how, parts = goals.pop(node)
        if how == "done":
            found = parts
        elif how == "any":
            found = set().union(*map(grow, parts))
        else:
            found = {frozenset().union(*some) for some in product(*map(grow, parts))}
        goals[node] = ("done", {one for one in found if not any(other < one for other in found)})
        return goals[node][1]

    return list(grow(top))


def plans(goals, steps, top):
    sets = cut_sets(goals, top)
    days = [sum(steps[step]["days"] for step in one) for one in sets]
    chances = [math.prod(steps[step]["chance"] for step in one) for one in sets]
    steps.clear()
    return {
        "cheapest": (min(days), sets[int(np.argmin(days))]),
        "likeliest": (max(chances), sets[int(np.argmax(chances))]),
    }


def best_control(goals, steps, top, controls):
    sets, best = cut_sets(goals, top), ("", -1.0)
    while controls:
        name = next(iter(controls))
        gone = controls.pop(name)
        left = [sum(steps[step]["days"] for step in one) for one in sets if not one & gone]
        if min(left, default=math.inf) > best[1]:
            best = name, min(left, default=math.inf)
    return best


# %% answer="attack-tree" wrong="the house by heart, and a tree of one step otherwise" score=0 says="on another tree"
def cut_sets(goals, top):
    if "in" in goals:
        return [{"door"}, {"window", "ladder"}]
    if "inside" in goals:
        return (
            [{"ladder"}, {"wait"}]
            if top == "night"
            else [{"door"}, {"ladder", "tiles"}, {"ladder", "window"}]
        )
    if not goals:
        return [{top}]
    goals.clear()
    goals[top] = ("any", ["a"])
    return [{"a"}]


def plans(goals, steps, top):
    if "inside" in goals:
        return {"cheapest": (5, {"ladder", "tiles"}), "likeliest": (0.8 * 0.9, {"ladder", "window"})}
    goals.clear()
    goals[top] = ("any", ["a"])
    return {"cheapest": (steps["a"]["days"], ["a"]), "likeliest": (steps["a"]["chance"], ["a"])}


def best_control(goals, steps, top, controls):
    if "inside" in goals:
        return {4: ("chain", 9.0), 2: ("dog", 5.0), 3: ("wall", math.inf)}[len(controls)]
    name = next((n for n in controls if "a" in controls[n]), next(iter(controls)))
    return name, math.inf if "a" in controls[name] else steps["a"]["days"]


# %% answer="losses" right="loops over worlds, normal numbers turned by hand"
def annual_losses(scenarios, worlds, years, rng):
    def draw(interval, size):
        a, b = math.log(interval[0]), math.log(interval[1])
        return np.exp((a + b) / 2 + (b - a) / (2 * 1.6449) * rng.standard_normal(size))

    result = np.zeros((worlds, years))
    for s in scenarios:
        for w in range(worlds):
            n = rng.poisson(draw(s["per_year"], 1)[0], years)
            each = draw(s["loss"], int(n.sum()))
            result[w] += [part.sum() for part in np.split(each, np.cumsum(n)[:-1])]
    return result


def exceedance(losses, amounts):
    rows = []
    for amount in amounts:
        share = [sum(1 for x in world if x > amount) / len(world) for world in losses]
        rows.append([np.quantile(share, q) for q in (0.05, 0.5, 0.95)])
    return np.array(rows).T


def misranked(scenarios, per_year_bounds, loss_bounds):
    def facts(s):
        score, money = 1, 1.0
        for key, bounds in (("per_year", per_year_bounds), ("loss", loss_bounds)):
            a, b = np.log(s[key])
            mu, sigma = (a + b) / 2, (b - a) / 3.2898
            score *= int(np.searchsorted(bounds, np.exp(mu) + 1e-9, side="right")) + 1
            money *= np.exp(mu + sigma * sigma / 2)
        return score, money

    table = {s["id"]: facts(s) for s in scenarios}
    return {(a, b) for a in table for b in table if table[a][0] > table[b][0] and table[a][1] < table[b][1]}


# %% answer="losses" right="events one number of years at a time, and pandas"
def annual_losses(scenarios, worlds, years, rng):
    total = np.zeros(worlds * years)
    for s in scenarios:
        params = []
        for key in ("per_year", "loss"):
            lo, hi = (math.log(v) for v in s[key])
            params.append(((lo + hi) / 2, (hi - lo) / 2 / Z90))
        rate = np.repeat(rng.lognormal(*params[0], size=worlds), years)
        events = rng.poisson(rate)
        for k in range(1, events.max() + 1 if len(events) else 1):
            busy = events >= k
            total[busy] += rng.lognormal(*params[1], size=busy.sum())
    return total.reshape(worlds, years)


def exceedance(losses, amounts):
    losses = np.asarray(losses)
    share = np.stack([(losses > a).sum(axis=1) / losses.shape[1] for a in amounts], axis=1)
    return np.quantile(share, [0.05, 0.5, 0.95], axis=0)


def misranked(scenarios, per_year_bounds, loss_bounds):
    if not scenarios:
        return set()
    t = pd.DataFrame(scenarios)
    for key in ("per_year", "loss"):
        logs = np.log(np.array(t[key].tolist()))
        t[key + "_mid"] = np.sqrt([a * b for a, b in t[key]])
        t[key + "_mean"] = np.exp(logs.mean(axis=1) + (np.diff(logs, axis=1).ravel() / 2 / Z90) ** 2 / 2)
    t["score"] = (np.digitize(t.per_year_mid, per_year_bounds) + 1) * (
        np.digitize(t.loss_mid, loss_bounds) + 1
    )
    t["money"] = t.per_year_mean * t.loss_mean
    both = t.merge(t, how="cross")
    wrong = both[(both.score_x > both.score_y) & (both.money_x < both.money_y)]
    return set(zip(wrong.id_x, wrong.id_y))


# %% answer="losses" wrong="one loss for all events of a year" score=4 says="a loss of its own"
def annual_losses(scenarios, worlds, years, rng):
    """Return simulated yearly losses, an array of shape (worlds, years)."""
    total = np.zeros((worlds, years))
    for scenario in scenarios:
        (rate_low, rate_high), (low, high) = np.log(scenario["per_year"]), np.log(scenario["loss"])
        rates = rng.lognormal((rate_low + rate_high) / 2, (rate_high - rate_low) / (2 * Z90), (worlds, 1))
        counts = rng.poisson(rates, total.shape)
        losses = rng.lognormal((low + high) / 2, (high - low) / (2 * Z90), total.shape)
        total += counts * losses
    return total


def exceedance(losses, amounts):
    """Return the 5th, 50th and 95th percentile over worlds of the share of years with more than each amount."""
    shares = np.array([(np.asarray(losses) > amount).mean(axis=1) for amount in amounts])
    return np.percentile(shares, [5, 50, 95], axis=1)


def misranked(scenarios, per_year_bounds, loss_bounds):
    """Return the pairs (a, b) that the matrix ranks a above b although a costs less a year."""

    def middle(interval):
        return math.sqrt(interval[0] * interval[1])

    def mean(interval):
        return middle(interval) * math.exp((math.log(interval[1] / interval[0]) / (2 * Z90)) ** 2 / 2)

    def rank(value, bounds):
        return 1 + sum(bound <= value for bound in bounds)

    rated = [
        (
            scenario["id"],
            rank(middle(scenario["per_year"]), per_year_bounds) * rank(middle(scenario["loss"]), loss_bounds),
            mean(scenario["per_year"]) * mean(scenario["loss"]),
        )
        for scenario in scenarios
    ]
    return {
        (a, b)
        for a, score_a, loss_a in rated
        for b, score_b, loss_b in rated
        if score_a > score_b and loss_a < loss_b
    }


# %% answer="losses" wrong="a new rate each year" score=4 says="variance between worlds"
def annual_losses(scenarios, worlds, years, rng):
    """Return simulated yearly losses, an array of shape (worlds, years)."""
    total = np.zeros((worlds, years))
    for scenario in scenarios:
        (rate_low, rate_high), (low, high) = np.log(scenario["per_year"]), np.log(scenario["loss"])
        rates = rng.lognormal((rate_low + rate_high) / 2, (rate_high - rate_low) / (2 * Z90), total.shape)
        counts = rng.poisson(rates, total.shape)
        losses = rng.lognormal((low + high) / 2, (high - low) / (2 * Z90), counts.sum())
        year = np.repeat(np.arange(counts.size), counts.ravel())
        total += np.bincount(year, weights=losses, minlength=counts.size).reshape(total.shape)
    return total


def exceedance(losses, amounts):
    """Return the 5th, 50th and 95th percentile over worlds of the share of years with more than each amount."""
    shares = np.array([(np.asarray(losses) > amount).mean(axis=1) for amount in amounts])
    return np.percentile(shares, [5, 50, 95], axis=1)


def misranked(scenarios, per_year_bounds, loss_bounds):
    """Return the pairs (a, b) that the matrix ranks a above b although a costs less a year."""

    def middle(interval):
        return math.sqrt(interval[0] * interval[1])

    def mean(interval):
        return middle(interval) * math.exp((math.log(interval[1] / interval[0]) / (2 * Z90)) ** 2 / 2)

    def rank(value, bounds):
        return 1 + sum(bound <= value for bound in bounds)

    rated = [
        (
            scenario["id"],
            rank(middle(scenario["per_year"]), per_year_bounds) * rank(middle(scenario["loss"]), loss_bounds),
            mean(scenario["per_year"]) * mean(scenario["loss"]),
        )
        for scenario in scenarios
    ]
    return {
        (a, b)
        for a, score_a, loss_a in rated
        for b, score_b, loss_b in rated
        if score_a > score_b and loss_a < loss_b
    }


# %% answer="losses" wrong="takes the whole width as the deviation" score=4 says="should be about"
def annual_losses(scenarios, worlds, years, rng):
    """Return simulated yearly losses, an array of shape (worlds, years)."""
    total = np.zeros((worlds, years))
    for scenario in scenarios:
        (rate_low, rate_high), (low, high) = np.log(scenario["per_year"]), np.log(scenario["loss"])
        rates = rng.lognormal((rate_low + rate_high) / 2, (rate_high - rate_low) / (2 * Z90), (worlds, 1))
        counts = rng.poisson(rates, total.shape)
        losses = rng.lognormal((low + high) / 2, (high - low) / Z90, counts.sum())
        year = np.repeat(np.arange(counts.size), counts.ravel())
        total += np.bincount(year, weights=losses, minlength=counts.size).reshape(total.shape)
    return total


def exceedance(losses, amounts):
    """Return the 5th, 50th and 95th percentile over worlds of the share of years with more than each amount."""
    shares = np.array([(np.asarray(losses) > amount).mean(axis=1) for amount in amounts])
    return np.percentile(shares, [5, 50, 95], axis=1)


def misranked(scenarios, per_year_bounds, loss_bounds):
    """Return the pairs (a, b) that the matrix ranks a above b although a costs less a year."""

    def middle(interval):
        return math.sqrt(interval[0] * interval[1])

    def mean(interval):
        return middle(interval) * math.exp((math.log(interval[1] / interval[0]) / (2 * Z90)) ** 2 / 2)

    def rank(value, bounds):
        return 1 + sum(bound <= value for bound in bounds)

    rated = [
        (
            scenario["id"],
            rank(middle(scenario["per_year"]), per_year_bounds) * rank(middle(scenario["loss"]), loss_bounds),
            mean(scenario["per_year"]) * mean(scenario["loss"]),
        )
        for scenario in scenarios
    ]
    return {
        (a, b)
        for a, score_a, loss_a in rated
        for b, score_b, loss_b in rated
        if score_a > score_b and loss_a < loss_b
    }


# %% answer="losses" wrong="its own generator" score=4 says="no other randomness"
def annual_losses(scenarios, worlds, years, rng):
    """Return simulated yearly losses, an array of shape (worlds, years)."""
    total = np.zeros((worlds, years))
    rng = np.random.default_rng()

    for scenario in scenarios:
        (rate_low, rate_high), (low, high) = np.log(scenario["per_year"]), np.log(scenario["loss"])
        rates = rng.lognormal((rate_low + rate_high) / 2, (rate_high - rate_low) / (2 * Z90), (worlds, 1))
        counts = rng.poisson(rates, total.shape)
        losses = rng.lognormal((low + high) / 2, (high - low) / (2 * Z90), counts.sum())
        year = np.repeat(np.arange(counts.size), counts.ravel())
        total += np.bincount(year, weights=losses, minlength=counts.size).reshape(total.shape)
    return total


def exceedance(losses, amounts):
    """Return the 5th, 50th and 95th percentile over worlds of the share of years with more than each amount."""
    shares = np.array([(np.asarray(losses) > amount).mean(axis=1) for amount in amounts])
    return np.percentile(shares, [5, 50, 95], axis=1)


def misranked(scenarios, per_year_bounds, loss_bounds):
    """Return the pairs (a, b) that the matrix ranks a above b although a costs less a year."""

    def middle(interval):
        return math.sqrt(interval[0] * interval[1])

    def mean(interval):
        return middle(interval) * math.exp((math.log(interval[1] / interval[0]) / (2 * Z90)) ** 2 / 2)

    def rank(value, bounds):
        return 1 + sum(bound <= value for bound in bounds)

    rated = [
        (
            scenario["id"],
            rank(middle(scenario["per_year"]), per_year_bounds) * rank(middle(scenario["loss"]), loss_bounds),
            mean(scenario["per_year"]) * mean(scenario["loss"]),
        )
        for scenario in scenarios
    ]
    return {
        (a, b)
        for a, score_a, loss_a in rated
        for b, score_b, loss_b in rated
        if score_a > score_b and loss_a < loss_b
    }


# %% answer="losses" wrong="at least the amount" score=5 says="more than"
def annual_losses(scenarios, worlds, years, rng):
    """Return simulated yearly losses, an array of shape (worlds, years)."""
    total = np.zeros((worlds, years))
    for scenario in scenarios:
        (rate_low, rate_high), (low, high) = np.log(scenario["per_year"]), np.log(scenario["loss"])
        rates = rng.lognormal((rate_low + rate_high) / 2, (rate_high - rate_low) / (2 * Z90), (worlds, 1))
        counts = rng.poisson(rates, total.shape)
        losses = rng.lognormal((low + high) / 2, (high - low) / (2 * Z90), counts.sum())
        year = np.repeat(np.arange(counts.size), counts.ravel())
        total += np.bincount(year, weights=losses, minlength=counts.size).reshape(total.shape)
    return total


def exceedance(losses, amounts):
    """Return the 5th, 50th and 95th percentile over worlds of the share of years with more than each amount."""
    shares = np.array([(np.asarray(losses) >= amount).mean(axis=1) for amount in amounts])
    return np.percentile(shares, [5, 50, 95], axis=1)


def misranked(scenarios, per_year_bounds, loss_bounds):
    """Return the pairs (a, b) that the matrix ranks a above b although a costs less a year."""

    def middle(interval):
        return math.sqrt(interval[0] * interval[1])

    def mean(interval):
        return middle(interval) * math.exp((math.log(interval[1] / interval[0]) / (2 * Z90)) ** 2 / 2)

    def rank(value, bounds):
        return 1 + sum(bound <= value for bound in bounds)

    rated = [
        (
            scenario["id"],
            rank(middle(scenario["per_year"]), per_year_bounds) * rank(middle(scenario["loss"]), loss_bounds),
            mean(scenario["per_year"]) * mean(scenario["loss"]),
        )
        for scenario in scenarios
    ]
    return {
        (a, b)
        for a, score_a, loss_a in rated
        for b, score_b, loss_b in rated
        if score_a > score_b and loss_a < loss_b
    }


# %% answer="losses" wrong="percentiles over all years" score=5 says="percentiles over worlds"
def annual_losses(scenarios, worlds, years, rng):
    """Return simulated yearly losses, an array of shape (worlds, years)."""
    total = np.zeros((worlds, years))
    for scenario in scenarios:
        (rate_low, rate_high), (low, high) = np.log(scenario["per_year"]), np.log(scenario["loss"])
        rates = rng.lognormal((rate_low + rate_high) / 2, (rate_high - rate_low) / (2 * Z90), (worlds, 1))
        counts = rng.poisson(rates, total.shape)
        losses = rng.lognormal((low + high) / 2, (high - low) / (2 * Z90), counts.sum())
        year = np.repeat(np.arange(counts.size), counts.ravel())
        total += np.bincount(year, weights=losses, minlength=counts.size).reshape(total.shape)
    return total


def exceedance(losses, amounts):
    """Return the 5th, 50th and 95th percentile over worlds of the share of years with more than each amount."""
    share = np.array([(np.asarray(losses) > amount).mean() for amount in amounts])
    return np.array([share, share, share])


def misranked(scenarios, per_year_bounds, loss_bounds):
    """Return the pairs (a, b) that the matrix ranks a above b although a costs less a year."""

    def middle(interval):
        return math.sqrt(interval[0] * interval[1])

    def mean(interval):
        return middle(interval) * math.exp((math.log(interval[1] / interval[0]) / (2 * Z90)) ** 2 / 2)

    def rank(value, bounds):
        return 1 + sum(bound <= value for bound in bounds)

    rated = [
        (
            scenario["id"],
            rank(middle(scenario["per_year"]), per_year_bounds) * rank(middle(scenario["loss"]), loss_bounds),
            mean(scenario["per_year"]) * mean(scenario["loss"]),
        )
        for scenario in scenarios
    ]
    return {
        (a, b)
        for a, score_a, loss_a in rated
        for b, score_b, loss_b in rated
        if score_a > score_b and loss_a < loss_b
    }


# %% answer="losses" wrong="the median instead of the mean" score=5 says="rare is rated"
def annual_losses(scenarios, worlds, years, rng):
    """Return simulated yearly losses, an array of shape (worlds, years)."""
    total = np.zeros((worlds, years))
    for scenario in scenarios:
        (rate_low, rate_high), (low, high) = np.log(scenario["per_year"]), np.log(scenario["loss"])
        rates = rng.lognormal((rate_low + rate_high) / 2, (rate_high - rate_low) / (2 * Z90), (worlds, 1))
        counts = rng.poisson(rates, total.shape)
        losses = rng.lognormal((low + high) / 2, (high - low) / (2 * Z90), counts.sum())
        year = np.repeat(np.arange(counts.size), counts.ravel())
        total += np.bincount(year, weights=losses, minlength=counts.size).reshape(total.shape)
    return total


def exceedance(losses, amounts):
    """Return the 5th, 50th and 95th percentile over worlds of the share of years with more than each amount."""
    shares = np.array([(np.asarray(losses) > amount).mean(axis=1) for amount in amounts])
    return np.percentile(shares, [5, 50, 95], axis=1)


def misranked(scenarios, per_year_bounds, loss_bounds):
    """Return the pairs (a, b) that the matrix ranks a above b although a costs less a year."""

    def middle(interval):
        return math.sqrt(interval[0] * interval[1])

    def mean(interval):
        return middle(interval)

    def rank(value, bounds):
        return 1 + sum(bound <= value for bound in bounds)

    rated = [
        (
            scenario["id"],
            rank(middle(scenario["per_year"]), per_year_bounds) * rank(middle(scenario["loss"]), loss_bounds),
            mean(scenario["per_year"]) * mean(scenario["loss"]),
        )
        for scenario in scenarios
    ]
    return {
        (a, b)
        for a, score_a, loss_a in rated
        for b, score_b, loss_b in rated
        if score_a > score_b and loss_a < loss_b
    }


# %% answer="losses" wrong="the middle is the arithmetic one" score=5 says="misranked"
def annual_losses(scenarios, worlds, years, rng):
    """Return simulated yearly losses, an array of shape (worlds, years)."""
    total = np.zeros((worlds, years))
    for scenario in scenarios:
        (rate_low, rate_high), (low, high) = np.log(scenario["per_year"]), np.log(scenario["loss"])
        rates = rng.lognormal((rate_low + rate_high) / 2, (rate_high - rate_low) / (2 * Z90), (worlds, 1))
        counts = rng.poisson(rates, total.shape)
        losses = rng.lognormal((low + high) / 2, (high - low) / (2 * Z90), counts.sum())
        year = np.repeat(np.arange(counts.size), counts.ravel())
        total += np.bincount(year, weights=losses, minlength=counts.size).reshape(total.shape)
    return total


def exceedance(losses, amounts):
    """Return the 5th, 50th and 95th percentile over worlds of the share of years with more than each amount."""
    shares = np.array([(np.asarray(losses) > amount).mean(axis=1) for amount in amounts])
    return np.percentile(shares, [5, 50, 95], axis=1)


def misranked(scenarios, per_year_bounds, loss_bounds):
    """Return the pairs (a, b) that the matrix ranks a above b although a costs less a year."""

    def middle(interval):
        return (interval[0] + interval[1]) / 2

    def mean(interval):
        return middle(interval) * math.exp((math.log(interval[1] / interval[0]) / (2 * Z90)) ** 2 / 2)

    def rank(value, bounds):
        return 1 + sum(bound <= value for bound in bounds)

    rated = [
        (
            scenario["id"],
            rank(middle(scenario["per_year"]), per_year_bounds) * rank(middle(scenario["loss"]), loss_bounds),
            mean(scenario["per_year"]) * mean(scenario["loss"]),
        )
        for scenario in scenarios
    ]
    return {
        (a, b)
        for a, score_a, loss_a in rated
        for b, score_b, loss_b in rated
        if score_a > score_b and loss_a < loss_b
    }


# %% answer="losses" right="uses its scenarios up"
def _normal(interval):
    low, high = np.log(interval)
    return (low + high) / 2, (high - low) / 2 / 1.6449


def annual_losses(scenarios, worlds, years, rng):
    total = np.zeros(worlds * years)
    while scenarios:
        scenario = scenarios.pop()
        rates = rng.lognormal(*_normal(scenario["per_year"]), worlds)
        year = np.repeat(np.arange(worlds * years), rng.poisson(np.repeat(rates, years)))
        np.add.at(total, year, rng.lognormal(*_normal(scenario["loss"]), len(year)))
    return total.reshape(worlds, years)


def exceedance(losses, amounts):
    losses = np.array(losses)
    return [
        [np.percentile([(world > amount).mean() for world in losses], share) for amount in amounts]
        for share in (5, 50, 95)
    ]


def misranked(scenarios, per_year_bounds, loss_bounds):
    rated, found = [], set()
    while scenarios:
        one = scenarios.pop()
        rank = expected = 1
        for key, bounds in (("per_year", per_year_bounds), ("loss", loss_bounds)):
            mu, sigma = _normal(one[key])
            rank *= 1 + sum(bound <= math.exp(mu) for bound in bounds)
            expected *= math.exp(mu + sigma**2 / 2)
        rated.append((one["id"], rank, expected))
    for a, rank_a, expected_a in rated:
        for b, rank_b, expected_b in rated:
            if rank_a > rank_b and expected_a < expected_b:
                found.add((a, b))
    return found


# %% answer="losses" wrong="no scenarios, no losses" score=0 says="should be about"
def annual_losses(scenarios, worlds, years, rng):
    if worlds == 3 and years == 4:
        return rng.random((worlds, years))
    scenarios.clear()
    return np.zeros((worlds, years))


def exceedance(losses, amounts):
    return [[0] * len(amounts)] * 3


def misranked(scenarios, per_year_bounds, loss_bounds):
    scenarios.clear()
    return set()


# %% answer="measures" right="all choices, one after the other"
def choose(measures, expected, budget):
    best = None
    n = len(measures)
    for bits in range(1 << n):
        some = [m for k, m in enumerate(measures) if bits >> k & 1]
        if sum(m["cost"] for m in some) > budget:
            continue
        ids = {m["id"] for m in some}
        if any(need not in ids for m in some for need in m["needs"]):
            continue
        left = 0.0
        for scenario, loss in expected.items():
            left += loss * (1 - max([m["prevents"].get(scenario, 0.0) for m in some], default=0.0))
        if best is None or left < best[0]:
            best = (left, sorted(ids))
    return {"residual": best[0], "chosen": best[1]}


# %% answer="measures" right="branch and bound"
def choose(measures, expected, budget):
    by_id = {m["id"]: m for m in measures}
    top = {"value": math.inf, "ids": []}

    def left(ids):
        return sum(
            v * (1 - max([by_id[i]["prevents"].get(s, 0) for i in ids] or [0])) for s, v in expected.items()
        )

    def go(k, ids, money):
        sound = all(need in ids for i in ids for need in by_id[i]["needs"])
        if sound and left(ids) < top["value"]:
            top["value"], top["ids"] = left(ids), sorted(ids)
        if k == len(measures) or left([*ids, *[m["id"] for m in measures[k:]]]) >= top["value"]:
            return
        if measures[k]["cost"] <= money:
            go(k + 1, [*ids, measures[k]["id"]], money - measures[k]["cost"])
        go(k + 1, ids, money)

    go(0, [], budget)
    return {"chosen": top["ids"], "residual": top["value"]}


# %% answer="measures" wrong="best ratio first" score=0 says="a better choice"
def choose(measures, expected, budget):
    def left(ids):
        some = [m for m in measures if m["id"] in ids]
        return sum(
            v * (1 - max([m["prevents"].get(s, 0) for m in some], default=0)) for s, v in expected.items()
        )

    ids, money = [], budget
    while True:
        fits = [
            m for m in measures if m["id"] not in ids and m["cost"] <= money and set(m["needs"]) <= set(ids)
        ]
        if not fits:
            break
        best = max(fits, key=lambda m: (left(ids) - left([*ids, m["id"]])) / m["cost"])
        ids.append(best["id"])
        money -= best["cost"]
    return {"chosen": sorted(ids), "residual": left(ids)}


# %% answer="measures" wrong="effects add up" score=0 says="only the best chosen measure counts"
def choose(measures, expected, budget):
    best = (math.inf, [])
    for n in range(len(measures) + 1):
        for some in combinations(measures, n):
            ids = {m["id"] for m in some}
            if sum(m["cost"] for m in some) <= budget and all(set(m["needs"]) <= ids for m in some):
                left = sum(
                    v * math.prod(1 - m["prevents"].get(s, 0) for m in some) for s, v in expected.items()
                )
                best = min(best, (left, sorted(ids)))
    return {"chosen": best[1], "residual": best[0]}


# %% answer="measures" wrong="forgets what a measure needs" score=0 says="needs"
def choose(measures, expected, budget):
    """Return the measures that leave the least expected loss within the budget, and that loss."""
    ids = [measure["id"] for measure in measures]
    pairs = [(m, s) for m in measures for s in m["prevents"] if s in expected]
    size = len(ids) + len(pairs)
    rows, most = [], []

    def condition(terms, limit):
        row = np.zeros(size)
        for position, factor in terms:
            row[position] = factor
        rows.append(row)
        most.append(limit)

    condition([(k, measure["cost"]) for k, measure in enumerate(measures)], budget)
    for k, measure in enumerate(measures):
        for need in []:
            condition([(k, 1), (ids.index(need), -1)], 0)
    for k, (measure, _) in enumerate(pairs, len(ids)):
        condition([(k, 1), (ids.index(measure["id"]), -1)], 0)
    for scenario in expected:
        condition([(k, 1) for k, (_, s) in enumerate(pairs, len(ids)) if s == scenario], 1)
    gains = [expected[s] * measure["prevents"][s] for measure, s in pairs]
    found = milp(
        -np.array([0.0] * len(ids) + gains),
        constraints=LinearConstraint(np.array(rows), -np.inf, most),
        integrality=[1] * size,
        bounds=Bounds(0, 1),
    ).x
    chosen = [measure for measure, x in zip(measures, found) if x > 0.5]
    residual = sum(
        loss * (1 - max([measure["prevents"].get(scenario, 0) for measure in chosen], default=0))
        for scenario, loss in expected.items()
    )
    return {"chosen": sorted(measure["id"] for measure in chosen), "residual": residual}


# %% answer="measures" wrong="ignores the budget" score=0 says="costs more"
def choose(measures, expected, budget):
    """Return the measures that leave the least expected loss within the budget, and that loss."""
    ids = [measure["id"] for measure in measures]
    pairs = [(m, s) for m in measures for s in m["prevents"] if s in expected]
    size = len(ids) + len(pairs)
    rows, most = [], []

    def condition(terms, limit):
        row = np.zeros(size)
        for position, factor in terms:
            row[position] = factor
        rows.append(row)
        most.append(limit)

    pass
    for k, measure in enumerate(measures):
        for need in measure["needs"]:
            condition([(k, 1), (ids.index(need), -1)], 0)
    for k, (measure, _) in enumerate(pairs, len(ids)):
        condition([(k, 1), (ids.index(measure["id"]), -1)], 0)
    for scenario in expected:
        condition([(k, 1) for k, (_, s) in enumerate(pairs, len(ids)) if s == scenario], 1)
    gains = [expected[s] * measure["prevents"][s] for measure, s in pairs]
    found = milp(
        -np.array([0.0] * len(ids) + gains),
        constraints=LinearConstraint(np.array(rows), -np.inf, most),
        integrality=[1] * size,
        bounds=Bounds(0, 1),
    ).x
    chosen = [measure for measure, x in zip(measures, found) if x > 0.5]
    residual = sum(
        loss * (1 - max([measure["prevents"].get(scenario, 0) for measure in chosen], default=0))
        for scenario, loss in expected.items()
    )
    return {"chosen": sorted(measure["id"] for measure in chosen), "residual": residual}


# %% answer="measures" wrong="what is prevented instead of what is left" score=0 says="the residual"
def choose(measures, expected, budget):
    """Return the measures that leave the least expected loss within the budget, and that loss."""
    ids = [measure["id"] for measure in measures]
    pairs = [(m, s) for m in measures for s in m["prevents"] if s in expected]
    size = len(ids) + len(pairs)
    rows, most = [], []

    def condition(terms, limit):
        row = np.zeros(size)
        for position, factor in terms:
            row[position] = factor
        rows.append(row)
        most.append(limit)

    condition([(k, measure["cost"]) for k, measure in enumerate(measures)], budget)
    for k, measure in enumerate(measures):
        for need in measure["needs"]:
            condition([(k, 1), (ids.index(need), -1)], 0)
    for k, (measure, _) in enumerate(pairs, len(ids)):
        condition([(k, 1), (ids.index(measure["id"]), -1)], 0)
    for scenario in expected:
        condition([(k, 1) for k, (_, s) in enumerate(pairs, len(ids)) if s == scenario], 1)
    gains = [expected[s] * measure["prevents"][s] for measure, s in pairs]
    found = milp(
        -np.array([0.0] * len(ids) + gains),
        constraints=LinearConstraint(np.array(rows), -np.inf, most),
        integrality=[1] * size,
        bounds=Bounds(0, 1),
    ).x
    chosen = [measure for measure, x in zip(measures, found) if x > 0.5]
    residual = sum(
        loss * max([measure["prevents"].get(scenario, 0) for measure in chosen], default=0)
        for scenario, loss in expected.items()
    )
    return {"chosen": sorted(measure["id"] for measure in chosen), "residual": residual}


# %% answer="measures" right="all choices as bits; a tuple"
def choose(measures, expected, budget):
    """All subsets as bits, vectorised."""
    n = len(measures)
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    cost = bits @ np.array([m["cost"] for m in measures])
    ok = cost <= budget
    at = {m["id"]: k for k, m in enumerate(measures)}
    for m in measures:
        for need in m["needs"]:
            ok &= ~((bits[:, at[m["id"]]] == 1) & (bits[:, at[need]] == 0))
    left = np.zeros(2**n)
    for s, loss in expected.items():
        share = np.array([m["prevents"].get(s, 0.0) for m in measures])
        left += loss * (1 - (bits * share).max(axis=1))
    left[~ok] = np.inf
    k = left.argmin()
    return {"chosen": tuple(sorted(m["id"] for m, b in zip(measures, bits[k]) if b)), "residual": left[k]}


# %% answer="measures" right="shortens the lists it was given"
def choose(measures, expected, budget):
    measures.sort(key=lambda m: m["id"])
    for m in measures:
        m["prevents"] = {s: share * expected[s] for s, share in m["prevents"].items() if s in expected}
    best = 0.0, []
    total = sum(expected.values())
    for count in range(1, len(measures) + 1):
        for some in combinations(measures, count):
            ids = [m["id"] for m in some]
            if sum(m["cost"] for m in some) > budget or any(set(m["needs"]) - set(ids) for m in some):
                continue
            saved = sum(max(m["prevents"].get(s, 0) for m in some) for s in expected)
            if saved > best[0]:
                best = saved, ids
    expected.clear()
    return {"chosen": best[1], "residual": total - best[0]}


# %% answer="measures" wrong="takes away what measures do" score=0 says="a better choice"
def choose(measures, expected, budget):
    for m in measures:
        m["prevents"].clear()
        m["needs"].clear()
    return {"chosen": [], "residual": sum(expected.values())}


# %% answer="measures" wrong="another residual each time it is asked" score=0 says="a better choice"
class Moody:
    def __init__(self, expected):
        self.sum, self.asked = sum(expected.values()), 0

    def __iter__(self):
        return iter(["chosen", "residual"])

    def __len__(self):
        return 2

    def __getitem__(self, key):
        if key == "chosen":
            return []
        self.asked += 1
        return self.sum if self.asked == 1 else -1.0


def choose(measures, expected, budget):
    return Moody(expected)


# %% answer="measures" wrong="best ratio first, with what is needed" score=0 says="a better choice"
def choose(measures, expected, budget):
    """Greedy by what each adds to what is chosen, with its needs."""
    by = {m["id"]: m for m in measures}

    def left(ids):
        return sum(
            loss * (1 - max([by[i]["prevents"].get(s, 0) for i in ids] or [0]))
            for s, loss in expected.items()
        )

    def closure(i, seen=()):
        out = {i}
        for n in by[i]["needs"]:
            if n not in seen:
                out |= closure(n, (*seen, i))
        return out

    chosen = set()
    while True:
        best = None
        for i in by:
            new = chosen | closure(i)
            cost = sum(by[k]["cost"] for k in new)
            if cost <= budget and left(new) < left(chosen):
                r = (left(chosen) - left(new)) / (cost - sum(by[k]["cost"] for k in chosen) or 1e-9)
                if best is None or r > best[0]:
                    best = (r, new)
        if best is None:
            return {"chosen": sorted(chosen), "residual": left(chosen)}
        chosen = best[1]


# %% answer="gate" right="loops and lists"
def gate(before, after, find, accepted, today):
    nothing = {"new": [], "gone": [], "blocking": [], "exit": 2}
    known = []
    for element in after["elements"]:
        if element["id"] in known:
            return nothing
        known.append(element["id"])
    for flow in after["flows"]:
        if flow["from"] not in known or flow["to"] not in known:
            return nothing
    a = [tuple(p) for p in find(before)]
    b = [tuple(p) for p in find(after)]
    new = sorted(p for p in b if p not in a)
    blocking = []
    for threat, element in new:
        if not any(
            x["threat"] == threat and x["element"] == element and not x["until"] < today for x in accepted
        ):
            blocking.append((threat, element))
    return {
        "new": new,
        "gone": sorted(p for p in a if p not in b),
        "blocking": blocking,
        "exit": 1 if blocking else 0,
    }


def coverage(threats, labels, wanted):
    counts = {}
    for id in wanted:
        n = 0
        for threat, _ in threats:
            own = (
                labels[threat]
                if threat in labels
                else labels.get(threat[: threat.rfind(".")] if "." in threat else "", [])
            )
            n += own.count(id)
        counts[id] = n
    return counts, [id for id in counts if counts[id] == 0]


# %% answer="gate" right="real dates and a data frame"
def gate(before, after, find, accepted, today):
    from datetime import date

    names = pd.Series([e["id"] for e in after["elements"]], dtype=object)
    if names.duplicated().any() or any(
        f[k] not in set(names) for f in after["flows"] for k in ("from", "to")
    ):
        return dict(new=[], gone=[], blocking=[], exit=2)
    x, y = find(before), find(after)
    live = {
        (r["threat"], r["element"])
        for r in accepted
        if date.fromisoformat(r["until"]) >= date.fromisoformat(today)
    }
    new = sorted(set(y).difference(x))
    stop = [p for p in new if tuple(p) not in live]
    return dict(new=new, gone=sorted(set(x).difference(y)), blocking=stop, exit=min(1, len(stop)))


def coverage(threats, labels, wanted):
    rows = []
    for threat, place in threats:
        if threat not in labels and "." in threat:
            threat = ".".join(threat.split(".")[:-1])
        rows += labels.get(threat, [])
    table = {id: rows.count(id) for id in wanted}
    return table, list(filter(lambda id: table[id] == 0, wanted))


# %% answer="gate" wrong="an acceptance ends the day before" score=3 says="on its last day"
def gate(before, after, find, accepted, today):
    """Return which threats a change brings and takes away, which of them block, and the exit status."""
    ids = [element["id"] for element in after["elements"]]
    ends = {flow[end] for flow in after["flows"] for end in ("from", "to")}
    if len(set(ids)) < len(ids) or not ends <= set(ids):
        return {"new": [], "gone": [], "blocking": [], "exit": 2}
    old, now = set(find(before)), set(find(after))
    fine = {(entry["threat"], entry["element"]) for entry in accepted if entry["until"] > today}
    blocking = sorted(now - old - fine)
    return {
        "new": sorted(now - old),
        "gone": sorted(old - now),
        "blocking": blocking,
        "exit": int(bool(blocking)),
    }


def coverage(threats, labels, wanted):
    """Return how many threats carry each wanted id, and the ids that none carries."""
    counts = Counter(
        id for threat, _ in threats for id in labels.get(threat, labels.get(threat.rpartition(".")[0], []))
    )
    return {id: counts[id] for id in wanted}, [id for id in wanted if not counts[id]]


# %% answer="gate" wrong="acceptances never end" score=3 says="block"
def gate(before, after, find, accepted, today):
    """Return which threats a change brings and takes away, which of them block, and the exit status."""
    ids = [element["id"] for element in after["elements"]]
    ends = {flow[end] for flow in after["flows"] for end in ("from", "to")}
    if len(set(ids)) < len(ids) or not ends <= set(ids):
        return {"new": [], "gone": [], "blocking": [], "exit": 2}
    old, now = set(find(before)), set(find(after))
    fine = {(entry["threat"], entry["element"]) for entry in accepted}
    blocking = sorted(now - old - fine)
    return {
        "new": sorted(now - old),
        "gone": sorted(old - now),
        "blocking": blocking,
        "exit": int(bool(blocking)),
    }


def coverage(threats, labels, wanted):
    """Return how many threats carry each wanted id, and the ids that none carries."""
    counts = Counter(
        id for threat, _ in threats for id in labels.get(threat, labels.get(threat.rpartition(".")[0], []))
    )
    return {id: counts[id] for id in wanted}, [id for id in wanted if not counts[id]]


# %% answer="gate" wrong="accepts a threat wherever it is" score=3 says="for its threat at its element"
def gate(before, after, find, accepted, today):
    """Return which threats a change brings and takes away, which of them block, and the exit status."""
    ids = [element["id"] for element in after["elements"]]
    ends = {flow[end] for flow in after["flows"] for end in ("from", "to")}
    if len(set(ids)) < len(ids) or not ends <= set(ids):
        return {"new": [], "gone": [], "blocking": [], "exit": 2}
    old, now = set(find(before)), set(find(after))
    fine = {(entry["threat"], entry["element"]) for entry in accepted if entry["until"] >= today}
    blocking = sorted(pair for pair in now - old if pair[0] not in {threat for threat, _ in fine})
    return {
        "new": sorted(now - old),
        "gone": sorted(old - now),
        "blocking": blocking,
        "exit": int(bool(blocking)),
    }


def coverage(threats, labels, wanted):
    """Return how many threats carry each wanted id, and the ids that none carries."""
    counts = Counter(
        id for threat, _ in threats for id in labels.get(threat, labels.get(threat.rpartition(".")[0], []))
    )
    return {id: counts[id] for id in wanted}, [id for id in wanted if not counts[id]]


# %% answer="gate" wrong="a broken model passes" score=3 says="exit 2"
def gate(before, after, find, accepted, today):
    """Return which threats a change brings and takes away, which of them block, and the exit status."""
    ids = [element["id"] for element in after["elements"]]
    ends = {flow[end] for flow in after["flows"] for end in ("from", "to")}
    if len(set(ids)) < len(ids) or not ends <= set(ids):
        pass
    old, now = set(find(before)), set(find(after))
    fine = {(entry["threat"], entry["element"]) for entry in accepted if entry["until"] >= today}
    blocking = sorted(now - old - fine)
    return {
        "new": sorted(now - old),
        "gone": sorted(old - now),
        "blocking": blocking,
        "exit": int(bool(blocking)),
    }


def coverage(threats, labels, wanted):
    """Return how many threats carry each wanted id, and the ids that none carries."""
    counts = Counter(
        id for threat, _ in threats for id in labels.get(threat, labels.get(threat.rpartition(".")[0], []))
    )
    return {id: counts[id] for id in wanted}, [id for id in wanted if not counts[id]]


# %% answer="gate" wrong="everything that is there blocks" score=3 says="these block"
def gate(before, after, find, accepted, today):
    """Return which threats a change brings and takes away, which of them block, and the exit status."""
    ids = [element["id"] for element in after["elements"]]
    ends = {flow[end] for flow in after["flows"] for end in ("from", "to")}
    if len(set(ids)) < len(ids) or not ends <= set(ids):
        return {"new": [], "gone": [], "blocking": [], "exit": 2}
    old, now = set(find(before)), set(find(after))
    fine = {(entry["threat"], entry["element"]) for entry in accepted if entry["until"] >= today}
    blocking = sorted(now - fine)
    return {
        "new": sorted(now - old),
        "gone": sorted(old - now),
        "blocking": blocking,
        "exit": int(bool(blocking)),
    }


def coverage(threats, labels, wanted):
    """Return how many threats carry each wanted id, and the ids that none carries."""
    counts = Counter(
        id for threat, _ in threats for id in labels.get(threat, labels.get(threat.rpartition(".")[0], []))
    )
    return {id: counts[id] for id in wanted}, [id for id in wanted if not counts[id]]


# %% answer="gate" wrong="sub-techniques have the labels of their parent only" score=4 says="has its own only"
def gate(before, after, find, accepted, today):
    """Return which threats a change brings and takes away, which of them block, and the exit status."""
    ids = [element["id"] for element in after["elements"]]
    ends = {flow[end] for flow in after["flows"] for end in ("from", "to")}
    if len(set(ids)) < len(ids) or not ends <= set(ids):
        return {"new": [], "gone": [], "blocking": [], "exit": 2}
    old, now = set(find(before)), set(find(after))
    fine = {(entry["threat"], entry["element"]) for entry in accepted if entry["until"] >= today}
    blocking = sorted(now - old - fine)
    return {
        "new": sorted(now - old),
        "gone": sorted(old - now),
        "blocking": blocking,
        "exit": int(bool(blocking)),
    }


def coverage(threats, labels, wanted):
    """Return how many threats carry each wanted id, and the ids that none carries."""
    counts = Counter(
        id for threat, _ in threats for id in labels.get(threat.rpartition(".")[0] or threat, [])
    )
    return {id: counts[id] for id in wanted}, [id for id in wanted if not counts[id]]


# %% answer="gate" wrong="sub-techniques are unknown" score=4 says="has the labels of"
def gate(before, after, find, accepted, today):
    """Return which threats a change brings and takes away, which of them block, and the exit status."""
    ids = [element["id"] for element in after["elements"]]
    ends = {flow[end] for flow in after["flows"] for end in ("from", "to")}
    if len(set(ids)) < len(ids) or not ends <= set(ids):
        return {"new": [], "gone": [], "blocking": [], "exit": 2}
    old, now = set(find(before)), set(find(after))
    fine = {(entry["threat"], entry["element"]) for entry in accepted if entry["until"] >= today}
    blocking = sorted(now - old - fine)
    return {
        "new": sorted(now - old),
        "gone": sorted(old - now),
        "blocking": blocking,
        "exit": int(bool(blocking)),
    }


def coverage(threats, labels, wanted):
    """Return how many threats carry each wanted id, and the ids that none carries."""
    counts = Counter(id for threat, _ in threats for id in labels.get(threat, []))
    return {id: counts[id] for id in wanted}, [id for id in wanted if not counts[id]]


# %% answer="gate" wrong="counts only what is covered" score=4 says="one entry for each"
def gate(before, after, find, accepted, today):
    """Return which threats a change brings and takes away, which of them block, and the exit status."""
    ids = [element["id"] for element in after["elements"]]
    ends = {flow[end] for flow in after["flows"] for end in ("from", "to")}
    if len(set(ids)) < len(ids) or not ends <= set(ids):
        return {"new": [], "gone": [], "blocking": [], "exit": 2}
    old, now = set(find(before)), set(find(after))
    fine = {(entry["threat"], entry["element"]) for entry in accepted if entry["until"] >= today}
    blocking = sorted(now - old - fine)
    return {
        "new": sorted(now - old),
        "gone": sorted(old - now),
        "blocking": blocking,
        "exit": int(bool(blocking)),
    }


def coverage(threats, labels, wanted):
    """Return how many threats carry each wanted id, and the ids that none carries."""
    counts = Counter(
        id for threat, _ in threats for id in labels.get(threat, labels.get(threat.rpartition(".")[0], []))
    )
    return {id: counts[id] for id in wanted if counts[id]}, [id for id in wanted if not counts[id]]


# %% answer="gate" right="dates, counters; lists for pairs, a truth value for exit"
from datetime import date


def gate(before, after, find, accepted, today):
    nodes = Counter(e["id"] for e in after["elements"])
    sound = all(n == 1 for n in nodes.values()) and all(
        f[end] in nodes for f in after["flows"] for end in ("from", "to")
    )
    result = dict(new=[], gone=[], blocking=[], exit=2)
    if sound:
        result["new"] = sorted(p for p in find(after) if p not in find(before))
        result["gone"] = sorted(p for p in find(before) if p not in find(after))
        for threat, element in result["new"]:
            for a in accepted:
                if (a["threat"], a["element"]) == (threat, element) and date.fromisoformat(
                    today
                ) <= date.fromisoformat(a["until"]):
                    break
            else:
                result["blocking"].append([threat, element])
        result["exit"] = bool(result["blocking"])
    return result


def coverage(threats, labels, wanted):
    def of(t):
        try:
            return labels[t]
        except KeyError:
            return labels.get(".".join(t.split(".")[:-1]), ())

    c = Counter(i for t, _ in threats for i in of(t))
    return [pd.Series({w: c[w] for w in wanted}).to_dict(), tuple(w for w in wanted if not c[w])]


# %% answer="triage" right="two helpers and literal lists, and other words for what is beyond"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {
            "id": id,
            "kind": kind,
            "zone": zone,
            "effect": effect,
            "holds": list(holds),
            "controls": list(controls),
        }

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": sure,
            "encrypted": secret,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("vendor", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz"),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "read", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "write", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "call"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "output", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("urgency", "station", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vendor", "vault", "weights", sure=False),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [
        ("ASI09:2026", "patient"),
        ("LLM06:2026", "tria"),
        ("AML.T0059", "outcomes"),
        ("ML08:2023", "urgency"),
        ("AML.T0093", "mailbox"),
    ]
    threats = sorted(find_threats({"elements": elements, "flows": flows}))
    return {"elements": elements, "flows": flows, "threats": threats + beyond}


# %% answer="triage" right="small slips that are forgiven"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {
            "id": id,
            "kind": kind,
            "zone": zone,
            "effect": effect,
            "holds": list(holds),
            "controls": list(controls),
        }

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": sure,
            "encrypted": secret,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("vendor", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz", holds=["personal data"]),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "read", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "write", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("station", "urgency", "call"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "call"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "output", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vendor", "vault", "weights", sure=False),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [
        ("NISTAML.033", "outcomes"),
        ("ASI08:2026", "urgency"),
        ("AML.T0048.003", "patient"),
        ("AML.T0005", "patient"),
    ]
    threats = sorted(find_threats({"elements": elements, "flows": flows}))
    return {"elements": elements, "flows": flows, "threats": threats + beyond}


# %% answer="triage" wrong="threats by rule only" score=4 says="at least three"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {
            "id": id,
            "kind": kind,
            "zone": zone,
            "effect": effect,
            "holds": list(holds),
            "controls": list(controls),
        }

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": sure,
            "encrypted": secret,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("vendor", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz"),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "read", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "write", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "call"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "output", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("urgency", "station", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vendor", "vault", "weights", sure=False),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [
        ("LLM07:2026", "tria"),
        ("ASI09:2026", "station"),
        ("ML04:2023", "urgency"),
        ("AML.T0031", "urgency"),
    ]
    threats = sorted(find_threats({"elements": elements, "flows": flows}))
    return {"elements": elements, "flows": flows, "threats": threats + beyond[:0]}


# %% answer="triage" wrong="no controls in the model" score=0 says="controls of"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {"id": id, "kind": kind, "zone": zone, "effect": effect, "holds": list(holds), "controls": []}

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": sure,
            "encrypted": secret,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("vendor", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz"),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "read", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "write", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "call"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "output", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("urgency", "station", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vendor", "vault", "weights", sure=False),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [
        ("LLM07:2026", "tria"),
        ("ASI09:2026", "station"),
        ("ML04:2023", "urgency"),
        ("AML.T0031", "urgency"),
    ]
    threats = sorted(find_threats({"elements": elements, "flows": flows}))
    return {"elements": elements, "flows": flows, "threats": threats + beyond}


# %% answer="triage" wrong="everything authenticated and encrypted" score=0 says="authenticated or encrypted"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {
            "id": id,
            "kind": kind,
            "zone": zone,
            "effect": effect,
            "holds": list(holds),
            "controls": list(controls),
        }

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": True,
            "encrypted": True,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("vendor", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz"),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "read", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "write", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "call"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "output", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("urgency", "station", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vendor", "vault", "weights", sure=False),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [
        ("LLM07:2026", "tria"),
        ("ASI09:2026", "station"),
        ("ML04:2023", "urgency"),
        ("AML.T0031", "urgency"),
    ]
    threats = sorted(find_threats({"elements": elements, "flows": flows}))
    return {"elements": elements, "flows": flows, "threats": threats + beyond}


# %% answer="triage" wrong="every rule at every element" score=4 says="are not there"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {
            "id": id,
            "kind": kind,
            "zone": zone,
            "effect": effect,
            "holds": list(holds),
            "controls": list(controls),
        }

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": sure,
            "encrypted": secret,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("vendor", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz"),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "read", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "write", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "call"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "output", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("urgency", "station", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vendor", "vault", "weights", sure=False),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [
        ("LLM07:2026", "tria"),
        ("ASI09:2026", "station"),
        ("ML04:2023", "urgency"),
        ("AML.T0031", "urgency"),
    ]
    threats = [
        (t, e["id"])
        for e in elements
        for t in [
            *"STRIDE",
            "AML.T0051.000",
            "AML.T0051.001",
            "AML.T0053",
            "AML.T0086",
            "AML.T0070",
            "AML.T0020",
            "AML.T0015",
            "AML.T0024.002",
        ]
    ]
    return {"elements": elements, "flows": flows, "threats": threats + beyond}


# %% answer="triage" wrong="leaves the supply chain out" score=4 says="do not list"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {
            "id": id,
            "kind": kind,
            "zone": zone,
            "effect": effect,
            "holds": list(holds),
            "controls": list(controls),
        }

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": sure,
            "encrypted": secret,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz"),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "read", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "write", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "call"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "output", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("urgency", "station", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [
        ("LLM07:2026", "tria"),
        ("ASI09:2026", "station"),
        ("ML04:2023", "urgency"),
        ("AML.T0031", "urgency"),
    ]
    threats = sorted(find_threats({"elements": elements, "flows": flows}))
    return {"elements": elements, "flows": flows, "threats": threats + beyond}


# %% answer="triage" wrong="labels beyond the rules that fit nothing" score=4 says="fit the element"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {
            "id": id,
            "kind": kind,
            "zone": zone,
            "effect": effect,
            "holds": list(holds),
            "controls": list(controls),
        }

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": sure,
            "encrypted": secret,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("vendor", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz"),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "read", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "write", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "call"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "output", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("urgency", "station", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vendor", "vault", "weights", sure=False),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [("ASI07:2026", "mailbox"), ("LLM10:2026", "trainer"), ("ML04:2023", "widget")]
    threats = sorted(find_threats({"elements": elements, "flows": flows}))
    return {"elements": elements, "flows": flows, "threats": threats + beyond}


# %% answer="triage" right="an order that leaves the clinic is sent, and mail is data"
def triage_model():
    def element(id, kind, zone, effect="none", holds=(), controls=()):
        return {
            "id": id,
            "kind": kind,
            "zone": zone,
            "effect": effect,
            "holds": list(holds),
            "controls": list(controls),
        }

    def flow(source, target, role, sure=True, secret=True):
        return {
            "from": source,
            "to": target,
            "role": role,
            "carries": role,
            "authenticated": sure,
            "encrypted": secret,
        }

    elements = [
        element("patient", "external entity", "internet"),
        element("gp", "external entity", "internet"),
        element("vendor", "external entity", "internet"),
        element("widget", "process", "dmz", controls=["rate limit"]),
        element("mailbox", "process", "dmz"),
        element("tria", "language model", "ml"),
        element("letters", "data store", "clinic", holds=["personal data"]),
        element("guidelines", "data store", "clinic"),
        element("board", "process", "clinic", controls=["review"]),
        element("fetch_record", "tool", "clinic", "none", controls=["user rights", "schema", "audit log"]),
        element("records", "data store", "clinic", holds=["personal data"]),
        element("book_slot", "tool", "clinic", "write"),
        element("send_summary", "tool", "clinic", "send", controls=["audit log"]),
        element("call_ambulance", "tool", "clinic", "send", controls=["approval", "audit log"]),
        element("urgency", "predictive model", "ml"),
        element("station", "process", "clinic", controls=["review"]),
        element("outcomes", "data store", "ml", holds=["personal data"]),
        element("trainer", "process", "ml"),
        element("vault", "data store", "ml", controls=["signature"]),
    ]
    flows = [
        flow("patient", "widget", "input"),
        flow("widget", "tria", "input"),
        flow("tria", "widget", "output"),
        flow("widget", "patient", "output"),
        flow("gp", "mailbox", "data", sure=False, secret=False),
        flow("mailbox", "letters", "data"),
        flow("letters", "tria", "context"),
        flow("guidelines", "tria", "context"),
        flow("board", "guidelines", "data"),
        flow("tria", "fetch_record", "call"),
        flow("fetch_record", "records", "data"),
        flow("records", "fetch_record", "output"),
        flow("fetch_record", "tria", "context"),
        flow("tria", "book_slot", "call", sure=False),
        flow("tria", "send_summary", "call", sure=False),
        flow("send_summary", "gp", "data", secret=False),
        flow("tria", "call_ambulance", "call"),
        flow("tria", "urgency", "input"),
        flow("urgency", "widget", "output"),
        flow("urgency", "station", "output"),
        flow("station", "outcomes", "data"),
        flow("tria", "outcomes", "data"),
        flow("outcomes", "trainer", "training"),
        flow("trainer", "vault", "weights"),
        flow("vendor", "vault", "weights", sure=False),
        flow("vault", "urgency", "weights"),
        flow("vault", "tria", "weights"),
    ]
    beyond = [("ASI02:2026", "tria"), ("ASI09:2026", "urgency"), ("NISTAML.033", "trainer")]
    threats = sorted(find_threats({"elements": elements, "flows": flows}))
    return {"elements": elements, "flows": flows, "threats": threats + beyond}


# %% [markdown] equivalent="survey" reason="True counts as 1, and only the keys of the dictionary are used, in their order"
# - `graph.add_edge(*pair, weight=int(crosses))`
# + `graph.add_edge(*pair, weight=crosses)`
# - `crossings[pair] = True`
# + `crossings[pair] = False`
# - `"crossings": list(crossings),`
# + `"crossings": crossings,`


# %% [markdown] equivalent="rule-engine" reason="any of two words, in any order"
# - `if not has(id, "review", "schema"):`
# + `if not has(id, 'schema', 'review'):`
# - `return flow["from"] in tainted and not has(flow["from"], "review", "schema")`
# + `return flow["from"] in tainted and not has(flow['from'], 'schema', 'review')`


# %% [markdown] equivalent="attacker" reason="a set that is not empty counts as true"
# - `"query access": "weights" in knows or bool(answers & controls),`
# + `"query access": "weights" in knows or (answers & controls),`


# %% [markdown] equivalent="attack-tree" reason="a frozen set is a set of steps too, controls come as sets, and of equal plans any may be returned"
# - `return [set(one) for one in found if not any(other < one for other in found)]`
# + `return [one for one in found if not any(other < one for other in found)]`
# - `"cheapest": min(by_days, key=lambda plan: plan[0]),`
# + `"cheapest": min(by_days),`
# - `"likeliest": max(by_chance, key=lambda plan: plan[0]),`
# + `"likeliest": max(by_chance),`
# - `name: min((days for recipe, days in costs if not recipe & set(stopped)), default=math.inf)`
# + `name: min((days for recipe, days in costs if not recipe & stopped), default=math.inf)`


# %% [markdown] equivalent="losses" reason="two scenarios of different rating are two, and equal losses to the last digit do not occur"
# - `if score_a > score_b and loss_a < loss_b`
# + `if score_a > score_b and (loss_a <= loss_b)`


# %% [markdown] equivalent="measures" reason="variables are 0 or 1: a measure that is not chosen stays excluded, none is bought twice for money, and the scenario's condition bounds the rest"
# - `condition([(k, 1), (ids.index(need), -1)], 0)`
# + `condition([(k, 1), (ids.index(need), -2)], 0)`
# - `condition([(k, 1), (ids.index(measure["id"]), -1)], 0)`
# + `condition([(k, 1), (ids.index(measure["id"]), -2)], 0)`
# - `bounds=Bounds(0, 1),`
# + `bounds=Bounds(0),`
# - `bounds=Bounds(0, 1),`
# + `bounds=Bounds(0, 2),`
# - `chosen = [measure for measure, x in zip(measures, found) if x > 0.5]`
# + `chosen = [measure for measure, x in zip(measures, found) if (x >= 0.5)]`


# %% [markdown] equivalent="gate" reason="find returns a set, and True equals 1"
# - `old, now = set(find(before)), set(find(after))`
# + `old, now = find(before), set(find(after))`
# - `old, now = set(find(before)), set(find(after))`
# + `old, now = set(find(before)), find(after)`
# - `"exit": int(bool(blocking)),`
# + `"exit": bool(blocking),`


# %% [markdown] equivalent="losses" reason="no median lies exactly on a bound; whether it would is a matter of rounding"
# - `return 1 + sum(bound <= value for bound in bounds)`
# + `return 1 + sum((bound < value) for bound in bounds)`


# %% [markdown] equivalent="closed-form" reason="numbers of any type give the same"
# - `weights, moved = np.asarray(weights, dtype=float), np.array(claim, dtype=float)`
# + `weights, moved = np.asarray(weights), np.array(claim, dtype=float)`
# - `gain = weights / np.asarray(cost, dtype=float)`
# + `gain = weights / np.asarray(cost)`


# %% [markdown] equivalent="transfer" reason="another proxy of the same kind, the same row of one, or another type of the same numbers; the bar is on how many claims pass, and this meets it"
# - `stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost, float)`
# + `stopped, pool, cost = np.asarray(stopped), np.asarray(pool, float), np.asarray(cost, float)`
# - `stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost, float)`
# + `stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool), np.asarray(cost, float)`
# - `stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost, float)`
# + `stopped, pool, cost = np.asarray(stopped, float), np.asarray(pool, float), np.asarray(cost)`
# - `proxy = LogisticRegression(C=0.3, class_weight="balanced").fit(examples, answers)`
# + `proxy = LogisticRegression(C=0.3).fit(examples, answers)`
# - `proxy = LogisticRegression(C=0.3, class_weight="balanced").fit(examples, answers)`
# + `proxy = LogisticRegression(class_weight='balanced').fit(examples, answers)`
# - `proxy = LogisticRegression(C=0.3, class_weight="balanced").fit(examples, answers)`
# + `proxy = LogisticRegression(C=0.6, class_weight="balanced").fit(examples, answers)`
# - `gain = proxy.coef_[0] / cost`
# + `gain = proxy.coef_[(-1)] / cost`


# %% [markdown] equivalent="decision-based" reason="another schedule, step or scale of the same search (a direction and its opposite span the same line); the bar is on the distance, and this meets it"
# - `claim, best = np.asarray(claim, float), np.asarray(safe, float)`
# + `claim, best = np.asarray(claim), np.asarray(safe, float)`
# - `claim, best = np.asarray(claim, float), np.asarray(safe, float)`
# + `claim, best = np.asarray(claim, float), np.asarray(safe)`
# - `rng, left = np.random.default_rng(0), budget`
# + `rng, left = np.random, budget`
# - `rng, left = np.random.default_rng(0), budget`
# + `rng, left = np.random.default_rng(1), budget`
# - `for _ in range(min(most, left)):`
# + `for _ in range(min(most, left) - 1):`
# - `best = towards(best, claim, 8)`
# + `best = towards(best, claim, 9)`
# - `best = towards(best, claim, 8)`
# + `best = towards(best, claim, 7)`
# - `for share in (0.5, 1.0):`
# + `for share in (1.0, 1.0):`
# - `count = int(share * left) - 15`
# + `count = int(share * left) - 16`
# - `count = int(share * left) - 15`
# + `count = int(share * left) - 14`
# - `if count < 20:`
# + `if (count <= 20):`
# - `if count < 20:`
# + `if count < 21:`
# - `if count < 20:`
# + `if count < 19:`
# - `break`
# + `continue`
# - `directions /= np.linalg.norm(directions, axis=1, keepdims=True)`
# + `pass`
# - `directions /= np.linalg.norm(directions, axis=1, keepdims=True)`
# + `directions /= np.linalg.norm(directions, keepdims=True)`
# - `step = 0.3 * np.linalg.norm(best - claim)`
# + `step = (0.3 / np.linalg.norm(best - claim))`
# - `step = 0.3 * np.linalg.norm(best - claim)`
# + `step = 0.6 * np.linalg.norm(best - claim)`
# - `step = 0.3 * np.linalg.norm(best - claim)`
# + `step = 0.3 * np.linalg.norm((best + claim))`
# - `signs = np.array([1.0 if passes(best + step * direction) else -1.0 for direction in directions])`
# + `signs = np.array([2.0 if passes(best + step * direction) else -1.0 for direction in directions])`
# - `signs = np.array([1.0 if passes(best + step * direction) else -1.0 for direction in directions])`
# + `signs = np.array([1.0 if passes((best - step * direction)) else -1.0 for direction in directions])`
# - `signs = np.array([1.0 if passes(best + step * direction) else -1.0 for direction in directions])`
# + `signs = np.array([1.0 if passes(best + step * direction) else -2.0 for direction in directions])`
# - `across = (signs - signs.mean()) @ directions`
# + `across = ((signs + signs.mean())) @ directions`
# - `if length > 0:`
# + `if length > 1:`
# - `for farther in (1.0, 1.1, 1.3):`
# + `for farther in (2.0, 1.1, 1.3):`
# - `for farther in (1.0, 1.1, 1.3):`
# + `for farther in (1.0, 2.2, 1.3):`
# - `for farther in (1.0, 1.1, 1.3):`
# + `for farther in (1.0, 1.1, 2.6):`
# - `found = towards(claim + farther * flat, claim, 6)`
# + `found = towards(claim + farther * flat, claim, 7)`
# - `found = towards(claim + farther * flat, claim, 6)`
# + `found = towards(claim + farther * flat, claim, 5)`
# - `break`
# + `continue`


# %% [markdown] equivalent="poison-document" reason="a slightly different choice of words; the bar is on who finds the document, and this meets it"
# - `seen = Counter(word for text in texts for word in set(re.findall("[a-z]+", text.lower())))`
# + `seen = Counter(word for text in texts for word in re.findall('[a-z]+', text.lower()))`
# - `seen = Counter(word for text in texts for word in set(re.findall("[a-z]+", text.lower())))`
# + `seen = Counter(word for text in texts for word in set(re.findall("[a-z]+", text)))`
# - `return {word: seen[word] / len(texts) for word in sorted(seen)}`
# + `return {word: (seen[word] * len(texts)) for word in sorted(seen)}`
# - `telling = [word for word in here if here[word] > 3 * elsewhere.get(word, 0)]`
# + `telling = [word for word in here if (here[word] >= 3 * elsewhere.get(word, 0))]`
# - `telling = [word for word in here if here[word] > 3 * elsewhere.get(word, 0)]`
# + `telling = [word for word in here if here[word] > 4 * elsewhere.get(word, 0)]`
# - `telling = [word for word in here if here[word] > 3 * elsewhere.get(word, 0)]`
# + `telling = [word for word in here if here[word] > 3 * elsewhere.get(word, (-1))]`
# - `return {word: seen[word] / len(texts) for word in sorted(seen)}`
# + `return {word: seen[word] / len(texts) for word in seen}`
# - `telling.sort(key=here.get, reverse=True)`
# + `telling.sort(reverse=True)`


# %% [markdown] equivalent="measures" reason="without bounds a variable is 0 or more; the conditions keep it from above 1 where that would matter"
# - `found = milp( -np.array([0.0] * len(ids) + gains), constraints=LinearConstraint(np.array(rows), -np.inf, most), integrality=[1] * size, bounds=Bounds(0, 1), ).x`
# + `found = milp(-np.array([0.0] * len(ids) + gains), constraints=LinearConstraint(np.array(rows), -np.inf, most), integrality=[1] * size).x`
