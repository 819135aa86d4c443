import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** A test file with what its imports lead to, as values: paths of this repository, and names of packages. */
type Reached = Readonly<{ path: string; names: ReadonlySet<string>; texts: readonly string[] }>;

const cluster = "testkit/postgres.ts";
const tools = "testkit/tools.ts";

type Kind = Readonly<{
  name: string;
  /** What runs once, before the first test file. */
  globalSetup: readonly string[];
  /** Whether each test file has a process of its own; it has when left out. */
  isolate?: boolean;
  takes(reached: Reached): boolean;
}>;

/**
 * The kinds of tests, the costliest first. A test file belongs to the first kind that takes it. The imports decide, so that no list has
 * to be kept: a test that begins to use the database is a test of the kind `db` from then on.
 */
const kinds: readonly Kind[] = [
  {
    /** A server that npm does not install: Vault, OpenBao, moto or PgBouncer. */
    name: "tools",
    globalSetup: [tools, cluster],
    takes: ({ texts }) => texts.some((text) => /\binject\("tools"\)/.test(text)),
  },
  {
    /** Programs as their users run them. */
    name: "e2e",
    globalSetup: [cluster],
    takes: ({ path }) => path.startsWith("test/e2e/"),
  },
  {
    /** A database in the PostgreSQL of the run. */
    name: "db",
    globalSetup: [cluster],
    takes: ({ texts }) => texts.some((text) => /\binject\("cluster"\)/.test(text)),
  },
  {
    /** A process, a simulated venue, or ccxt, which takes seconds to load. */
    name: "process",
    globalSetup: [],
    takes: ({ names }) =>
      ["node:child_process", "simulator/simulator.ts", "ccxt"].some((name) => names.has(name)),
  },
  {
    /** Nothing but the code. Its files share a process, so that what they import is loaded once. */
    name: "unit",
    globalSetup: [],
    isolate: false,
    takes: () => true,
  },
];

/** Every test file of the repository by its kind, as Vitest takes them. */
export function findProjects(root: string) {
  // A test may hold a piece of code whose imports lead nowhere.
  const read = (path: string): string =>
    existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : "";
  const kindOf = createSorter(read);
  const files = Map.groupBy(globSync("test/**/*.test.ts", { cwd: root }), kindOf);
  return kinds.map(({ name, globalSetup, isolate = true }) => ({
    name,
    include: (files.get(name) ?? []).toSorted(),
    globalSetup: [...globalSetup],
    isolate,
  }));
}

/** Answers the kind of a test file; `read` has the text of a file of the repository, and is asked once for each. */
export function createSorter(read: (path: string) => string): (path: string) => string {
  const known = new Map<string, Readonly<{ text: string; names: readonly string[] }>>();
  const open = (path: string) => {
    const text = read(path);
    const file = { text, names: valuesImportedBy(path, text) };
    known.set(path, file);
    return file;
  };
  return (path) => {
    const names = new Set([path]);
    const texts: string[] = [];
    for (const name of names) {
      if (!name.endsWith(".ts")) continue;
      const file = known.get(name) ?? open(name);
      texts.push(file.text);
      for (const to of file.names) names.add(to);
    }
    return kinds.find(({ takes }) => takes({ path, names, texts }))?.name ?? "unit";
  };
}

/** A type is gone when the program runs, and a program that is only resolved is run by its path. */
const imports =
  /^(?:import|export) (?!type )[^;]*?from "([^"]+)"|^import "([^"]+)"|(?:import|resolve)\(\s*"([^"]+)"/gm;

function valuesImportedBy(path: string, text: string): string[] {
  return [...text.matchAll(imports)].map(([, from, alone, late]) => {
    const name = from ?? alone ?? late ?? "";
    return name.startsWith(".") ? normalize(join(dirname(path), name)) : name;
  });
}
