import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** A source file, by its path from the root of the repository. */
export type File = Readonly<{ path: string; text: string }>;

export function readFiles(root: string, folders: readonly string[]): File[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
      .map((name) => ({ path: `${folder}/${name}`, text: readFileSync(join(root, folder, name), "utf8") })),
  );
}

/** The files of this repository that a file imports. */
export function importsOf({ path, text }: File): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, to = ""]) =>
    normalize(join(dirname(path), to)),
  );
}

const exportedValue = /^export (?:async )?(?:function\*?|const|class) (\w+)/gm;

/** The functions, classes and values that a file exports under their own names. */
export function exportsOf({ text }: File): string[] {
  return [...text.matchAll(exportedValue)].map(([, name = ""]) => name);
}

const someNames = /(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"(\.[^"]+)"/g;
const allNames = /(?:\* as \w+ from\s+|import\(\s*)"(\.[^"]+)"/g;

/** What a file imports by name, as `<path> <name>`; `<path> *` where it imports the whole file, or imports it late. */
export function namesImportedBy({ path, text }: File): string[] {
  const pathOf = (from: string): string => normalize(join(dirname(path), from));
  const some = [...text.matchAll(someNames)].flatMap(([, names = "", from = ""]) =>
    names.split(",").map((name) => `${pathOf(from)} ${/^\s*(?:type\s+)?(\w+)/.exec(name)?.[1] ?? ""}`),
  );
  return [...some, ...[...text.matchAll(allNames)].map(([, from = ""]) => `${pathOf(from)} *`)];
}

/** The circles of a graph: sets of nodes of which each leads to each other one (Tarjan's algorithm). */
export function circlesIn(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const state = new Map<string, { index: number; low: number; onStack: boolean }>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (node: string): { index: number; low: number; onStack: boolean } => {
    const here = { index: state.size, low: state.size, onStack: true };
    state.set(node, here);
    stack.push(node);
    for (const to of graph.get(node) ?? []) {
      const there = state.get(to);
      if (there === undefined) here.low = Math.min(here.low, visit(to).low);
      else if (there.onStack) here.low = Math.min(here.low, there.index);
    }
    if (here.low === here.index) {
      const circle = stack.splice(stack.indexOf(node));
      for (const one of circle) Object.assign(state.get(one) ?? {}, { onStack: false });
      const isCircle = circle.length > 1 || (graph.get(node) ?? []).includes(node);
      if (isCircle) circles.push(circle.toSorted());
    }
    return here;
  };
  for (const node of graph.keys()) if (!state.has(node)) visit(node);
  return circles;
}
