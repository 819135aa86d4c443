import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errors } from "../src/errors.ts";
import { circlesIn, exportsOf, type File, importsOf, namesImportedBy, readFiles } from "./imports.ts";

/** The architecture, checked. Every rule has a control beside it: the same rule, pointed at a planted breach, must fire. */
type Rule = (files: readonly File[]) => string[];

const root = join(import.meta.dirname, "..");
/** What stands beside the service and uses it. Tests import these to test them. */
const programs = ["demo", "bench", "cluster", "proof", "examples"];
const files = readFiles(root, ["src", "client", "simulator", "testkit", ...programs, "test", "tools"]);
const source = files.filter(({ path }) => path.startsWith("src/"));
const client = files.filter(({ path }) => path.startsWith("client/"));

/** From top to bottom; a file imports from its own layer and from those below. */
const layers: readonly (readonly string[])[] = [
  ["main.ts", "simulated.ts", "app.ts", "open-custody.ts"],
  ["http", "jobs", "cli"],
  ["credentials", "tenants", "webhooks"],
  ["access", "audit"],
  ["venues", "stores", "key-encryption"],
  ["vault", "aws"],
  [
    "remote",
    "crypto",
    "db",
    "telemetry",
    "errors.ts",
    "near-names.ts",
    "own-file.ts",
    "version.ts",
    "authority-file.ts",
    "make-folder.ts",
    "config",
  ],
];

/** What of the adapters the domain sees: interfaces, and the tables of operations, lifetimes and forms. */
const visibleToDomain = [
  "src/venues/venue.ts",
  "src/venues/verdict.ts",
  "src/venues/operations.ts",
  "src/venues/traits.ts",
  "src/venues/venue-keys.ts",
  "src/stores/store.ts",
  "src/key-encryption/key-provider.ts",
];

function layerOf(path: string): number {
  const [, part = ""] = path.split("/");
  return layers.findIndex((parts) => parts.includes(part));
}

const importsPointDown: Rule = (all) =>
  all.flatMap((file) =>
    importsOf(file)
      .filter((to) => to.startsWith("src/") && layerOf(to) < layerOf(file.path))
      // The command `serve` starts the process that main.ts owns; an operator's commands stand on what the service stands on.
      .filter((to) => !(file.path === "src/cli/serve.ts" && to === "src/main.ts"))
      .filter((to) => !(file.path === "src/cli/operate.ts" && to === "src/open-custody.ts"))
      .map((to) => `${file.path} imports ${to}, which lies above it: move what both need down`),
  );

const clientStandsAlone: Rule = (all) =>
  all.flatMap((file) =>
    importsOf(file)
      .filter((to) => !to.startsWith("client/"))
      .map((to) => `${file.path} imports ${to}: the client is for everybody, and has no other file`),
  );

/** They share `testkit`, which imports none of them. */
const programsStandAlone: Rule = (all) =>
  all.flatMap((file) =>
    importsOf(file)
      .filter((to) => [...programs, "test"].includes(folderOf(to)) && folderOf(to) !== folderOf(file.path))
      .map((to) => `${file.path} imports ${to}: move what both need to testkit`),
  );

function folderOf(path: string): string {
  return path.split("/")[0] ?? "";
}

const everyFolderHasALayer: Rule = (all) =>
  all
    .filter(({ path }) => layerOf(path) === -1)
    .map(({ path }) => `${path} is in no layer: name its folder in the table`);

const noCircles: Rule = (all) =>
  circlesIn(new Map(all.map((file) => [file.path, importsOf(file)]))).map(
    (circle) => `${circle.join(", ")} import one another in a circle`,
  );

/** The folder of a file below `src`, or the file itself. */
function roomOf(path: string): string {
  return path.split("/")[1] ?? "";
}

const noCirclesOfRooms: Rule = (all) => {
  const rooms = Map.groupBy(all, ({ path }) => roomOf(path));
  const graph = new Map(
    [...rooms].map(([room, inside]) => {
      const others = inside.flatMap(importsOf).filter((to) => to.startsWith("src/"));
      return [room, [...new Set(others.map(roomOf))].filter((other) => other !== room)];
    }),
  );
  return circlesIn(graph).map((circle) => `${circle.join(", ")} are folders that import one another`);
};

/** Values that are exported for users of the code, or for a command that is still to come; everything else has a user in `src`. */
const exportedForOthers: readonly string[] = [
  "src/credentials/use.ts withSecret",
  "src/crypto/fernet.ts openFernet",
  "src/crypto/fernet.ts parseFernetKey",
];

const everyValueHasAUser: Rule = (all) => {
  const used = new Set(all.flatMap(namesImportedBy));
  return all.flatMap((file) =>
    exportsOf(file)
      .filter((name) => !used.has(`${file.path} ${name}`) && !used.has(`${file.path} *`))
      .filter((name) => file.text.split(new RegExp(`\\b${name}\\b`)).length < 3)
      .map((name) => `${file.path} ${name}`)
      .filter((name) => !exportedForOthers.includes(name))
      .map((name) => `${name} is exported and has no user in src`),
  );
};

const domainSeesInterfaces: Rule = (all) =>
  all
    .filter(({ path }) => layerOf(path) === 2)
    .flatMap((file) =>
      importsOf(file)
        .filter((to) => [4, 5].includes(layerOf(to)) && !visibleToDomain.includes(to))
        .map((to) => `${file.path} imports the adapter ${to}: use its interface`),
    );

function only(pattern: RegExp, where: (path: string) => boolean, why: string): Rule {
  return (all) =>
    all.filter(({ path, text }) => pattern.test(text) && !where(path)).map(({ path }) => `${path}: ${why}`);
}

const environment = only(
  /process\.env\b/,
  (path) => path === "src/config/config.ts",
  "only config/config.ts reads the environment",
);
const scopeSettings = only(
  /set_config\('keyhold/,
  (path) => path === "src/db/tenant.ts",
  "only withTenant sets the scope",
);
const network = only(
  /(?<!\.)\bfetch\(|from "undici"/,
  (path) => /^src\/(venues|cli|vault|webhooks)\//.test(path) || path === "src/access/remote-keys.ts",
  "only venues, Vault, the command line, receivers of webhooks and the keys of issuers are asked over the network",
);
const mocks = only(
  /\bvi\.(mock|doMock)\(/,
  () => false,
  "no module is mocked: use the real thing or pass a fake in",
);
const suppressions = only(
  /@ts-(ignore|expect-error|nocheck)|oxlint-disable|eslint-disable/,
  () => false,
  "mend, do not silence",
);
const unfinished = only(/\b(TODO|FIXME|XXX)\b/, () => false, "finish it, or write it down as an issue");
const disclosure = only(
  /\bopen\(key|\bopenSecret\(/,
  (path) => path.startsWith("src/crypto/") || path.startsWith("src/credentials/"),
  "secrets are opened by the domain alone, after their record",
);

/** Writers of bookkeeping that no event tells of: ids, sealed bytes and keys. Everything else writes through change(). */
const bookkeepers = [
  "src/db/tenant.ts",
  "src/audit/change.ts",
  "src/credentials/keep.ts",
  "src/credentials/destroy.ts",
  "src/credentials/invocation.ts",
  "src/credentials/fall-back.ts",
  "src/key-encryption/data-keys.ts",
  "src/stores/postgres.ts",
  "src/http/idempotency.ts",
  "src/webhooks/settle.ts",
  "src/credentials/rotation-at-venue/settle.ts",
];
const writes = only(
  /\bwithTenant\b/,
  (path) => bookkeepers.includes(path),
  "state changes go through change(), which records them; reading takes readTenant()",
);

const rules: readonly (readonly [string, Rule, readonly File[], File | readonly File[]])[] = [
  [
    "imports point down",
    importsPointDown,
    source,
    { path: "src/crypto/x.ts", text: 'import "../http/server.ts";' },
  ],
  [
    "the client imports nothing of the service",
    clientStandsAlone,
    client,
    { path: "client/x.ts", text: 'import "../src/errors.ts";' },
  ],
  [
    "the programs beside the service, and what they share, import none of one another and no test",
    programsStandAlone,
    files.filter(({ path }) => [...programs, "testkit"].includes(folderOf(path))),
    { path: "testkit/x.ts", text: 'import "../bench/y.ts";' },
  ],
  [
    "no file is in a circle of imports",
    noCircles,
    source,
    { path: "src/crypto/x.ts", text: 'import "./x.ts";' },
  ],
  [
    "no folder is in a circle of imports",
    noCirclesOfRooms,
    source,
    [
      { path: "src/audit/x.ts", text: 'import "../access/x.ts";' },
      { path: "src/access/x.ts", text: 'import "../audit/y.ts";' },
    ],
  ],
  [
    "what is exported has a user",
    everyValueHasAUser,
    source,
    { path: "src/audit/x.ts", text: "export function lonely() {}" },
  ],
  ["every folder has a layer", everyFolderHasALayer, source, { path: "src/misc/x.ts", text: "" }],
  [
    "the domain sees interfaces, never an adapter",
    domainSeesInterfaces,
    source,
    { path: "src/credentials/x.ts", text: 'import { createVenues } from "../venues/index.ts";' },
  ],
  [
    "config.ts alone reads the environment",
    environment,
    source,
    { path: "src/db/x.ts", text: "process.env.HOME" },
  ],
  [
    "withTenant alone sets the scope of a transaction",
    scopeSettings,
    source,
    { path: "src/db/x.ts", text: "set_config('keyhold.reach')" },
  ],
  [
    "no state changes without its event",
    writes,
    source,
    { path: "src/tenants/x.ts", text: "withTenant(db)" },
  ],
  [
    "only the domain opens secrets",
    disclosure,
    source,
    { path: "src/http/x.ts", text: "openSecret(custody)" },
  ],
  [
    "few parts speak to the network",
    network,
    source,
    { path: "src/tenants/x.ts", text: 'await fetch("https://a.example")' },
  ],
  ["no module is mocked", mocks, files.filter(notThis), { path: "test/x.test.ts", text: 'vi.mock("pg")' }],
  ["nothing is suppressed", suppressions, files.filter(notThis), { path: "src/x.ts", text: "// @ts-ignore" }],
  [
    "nothing is left unfinished",
    unfinished,
    files.filter(notThis),
    { path: "src/x.ts", text: "// TODO later" },
  ],
];

function notThis({ path }: File): boolean {
  return path !== "test/rules.test.ts";
}

describe("the architecture holds", () => {
  test.for(rules)("%s", ([, rule, all]) => {
    expect(rule(all)).toEqual([]);
  });

  test.for(rules)("a breach would be found: %s", ([, rule, , planted]) => {
    expect(rule([planted].flat())).toHaveLength(1);
  });

  test("every error code is thrown somewhere", () => {
    const unused = Object.keys(errors).filter(
      (code) => !source.some(({ path, text }) => path !== "src/errors.ts" && text.includes(`"${code}"`)),
    );
    expect(unused).toEqual([]);
  });
});
