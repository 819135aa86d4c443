import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { eventNames } from "../src/audit/events.ts";

/** The words of docs/glossary.md, held on every surface that a user or a developer meets. */

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** What stands on a surface, by the form that a verb has there. */
type Surface = Readonly<{
  names: readonly string[];
  /** Whether a name carries a verb, such as "roll back", whose past is "rolled back". */
  carries(name: string, verb: string, past: string): boolean;
}>;

const { paths } = z
  .object({
    paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string() }))),
  })
  .parse(JSON.parse(read("docs/openapi.json")));
const operations = Object.values(paths).flatMap((methods) =>
  Object.values(methods).map(({ operationId }) => operationId),
);
const commands = globSync("src/cli/**/*.ts", { cwd: root }).flatMap((path) =>
  [...read(path).matchAll(/\.command\("([^"]+)"/g)].map(([, name = ""]) => name),
);

/** registerCredential → register credential; credential.rotation_rolled_back → credential rotation rolled back. */
const wordsOf = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll(/[._-]/g, " ");
const begins = (name: string, verb: string): boolean => `${wordsOf(name)} `.startsWith(`${verb} `);
const ends = (name: string, past: string): boolean => wordsOf(name).endsWith(` ${past}`);

const surfaces = {
  http: { names: operations, carries: (name, verb) => begins(name, verb) },
  cli: { names: commands, carries: (name, verb) => begins(name, verb) },
  event: {
    names: eventNames.filter((name) => name.startsWith("credential.")),
    carries: (name, _, past) => ends(name, past),
  },
  file: {
    names: globSync("src/credentials/**/*.ts", { cwd: root }).map((path) => basename(path, ".ts")),
    carries: (name, verb) => wordsOf(name) === verb,
  },
} as const satisfies Readonly<Record<string, Surface>>;
type SurfaceName = keyof typeof surfaces;

/** A verb of the product, and where its name is another one: that name, where there is one, and the reason. */
type Verb = Readonly<{
  verb: string;
  past: string;
  except?: Readonly<Partial<Record<SurfaceName, readonly [name: string | null, why: string]>>>;
}>;

const besideItsNoun = [
  null,
  "a step of a rotation stands beside the noun, in rotation.ts or schedule.ts",
] as const;
const aNounOfTwoEvents = [
  "credential.rotation_started",
  "it lasts: its events are those of the noun, for its beginning and for its end",
] as const;

const verbs: readonly Verb[] = [
  { verb: "register", past: "registered" },
  { verb: "validate", past: "validated" },
  {
    verb: "invoke",
    past: "invoked",
    except: { event: ["credential.used", "an invocation is one of the uses, which are recorded in one way"] },
  },
  { verb: "reveal", past: "revealed" },
  { verb: "replace", past: "replaced" },
  { verb: "rotate", past: "rotated", except: { event: aNounOfTwoEvents } },
  { verb: "finish", past: "finished", except: { file: besideItsNoun } },
  { verb: "roll back", past: "rolled back", except: { file: besideItsNoun } },
  { verb: "schedule", past: "scheduled", except: { file: besideItsNoun } },
  { verb: "unschedule", past: "unscheduled", except: { file: besideItsNoun } },
  { verb: "freeze", past: "frozen" },
  { verb: "unfreeze", past: "unfrozen", except: { file: ["freeze", "it undoes what the same file does"] } },
  { verb: "update", past: "updated" },
  { verb: "revoke", past: "revoked" },
  {
    verb: "delete",
    past: "deleted",
    except: { file: ["revoke", "a deletion is a revocation after which the row is hidden"] },
  },
];

/** Words that the glossary decided against, and the word in their place. */
const otherWords: Readonly<Record<string, string>> = {
  remove: "delete",
  removed: "deleted",
  erased: "deleted",
  endpoint: "webhook",
  subscription: "webhook",
  checked: "validated",
  consult: "inspect",
  exchange: "venue",
  vendor: "venue",
  customer: "tenant",
  organisation: "tenant",
};

/** Names that are stored or promised, or mean something else. */
const kept: Readonly<Record<string, string>> = {
  "remove-old": "it takes keys out of a file of the operator, and ends nothing of a user",
  "credential.checked": "validateSecret records it for a secret that is not kept; events are never renamed",
  "account.erased": "the rows of a deleted account leave the database, days after account.deleted",
  "tenant.erased": "the rows of a deleted tenant leave the database, days after tenant.deleted",
};

const strays = (names: readonly string[]): readonly string[] =>
  names.filter(
    (name) =>
      kept[name] === undefined &&
      wordsOf(name)
        .split(" ")
        .some((word) => word in otherWords),
  );

const surfaceNames = ["http", "cli", "event", "file"] as const satisfies readonly SurfaceName[];

/** The surfaces on which a verb stands neither under its own word nor under the one that its exception names. */
function missing({ verb, past, except = {} }: Verb): readonly SurfaceName[] {
  return surfaceNames.filter((name) => {
    const { names, carries }: Surface = surfaces[name];
    const exception = except[name];
    if (exception === undefined) return !names.some((one) => carries(one, verb, past));
    return exception[0] !== null && !names.includes(exception[0]);
  });
}

describe("a verb of the product has one word on every surface", () => {
  test.for(verbs)("$verb", (verb) => {
    expect(missing(verb)).toEqual([]);
  });

  test("another word would be found (control)", () => {
    expect(missing({ verb: "disclose", past: "disclosed" })).toEqual(surfaceNames);
    expect(
      missing({ verb: "reveal", past: "revealed", except: { event: ["credential.shown", ""] } }),
    ).toEqual(["event"]);
  });
});

describe("no surface uses a word that the glossary decided against", () => {
  const all = [...operations, ...commands, ...eventNames];
  const segments = Object.keys(paths).flatMap((path) => path.split("/"));

  test("in operations, paths, commands and events", () => {
    expect(strays([...all, ...segments])).toEqual([]);
  });

  test("each name that is kept is still there", () => {
    expect(Object.keys(kept).filter((name) => !all.includes(name))).toEqual([]);
  });

  test("such a word would be found (control)", () => {
    const planted = ["removeEndpoint", "webhook.removed", "list-exchange"];
    expect(strays(planted)).toEqual(planted);
  });
});

test("The glossary explains each word of at most forty in one line", () => {
  const entries = [...read("docs/glossary.md").matchAll(/^\| \*\*([^*]+)\*\* +\| (\S.*\S) +\|$/gm)].map(
    ([, word = ""]) => word,
  );
  expect(entries.length).toBeLessThanOrEqual(40);
  expect(new Set(entries).size).toBe(entries.length);
  for (const word of [
    "register",
    "validate",
    "invoke",
    "reveal",
    "replace",
    "rotate",
    "freeze",
    "revoke",
    "delete",
  ])
    expect(entries).toContain(word);
});
