import { type Command, InvalidArgumentError } from "commander";
import { confirmDestruction } from "./ask.ts";
import { askSecret, secretOptions, type SecretOptions } from "./ask-secret.ts";
import type { Cli } from "./cli.ts";
import { nameCredential } from "./name-credential.ts";
import type { Column } from "./output.ts";
import type { Rotation, Versions } from "./shapes.ts";
import { findVenue } from "./venues.ts";

const columns: readonly Column<Rotation>[] = [
  ["rotation", ({ id }) => id],
  ["state", ({ state }) => state],
  ["versions", ({ from_version, to_version }) => `${from_version} to ${to_version}`],
  ["overlap until", ({ overlap_until }) => overlap_until],
  ["fallbacks", ({ fallbacks }) => fallbacks],
];

type RotateOptions = SecretOptions & Readonly<{ overlap?: number; allowWider?: true }>;

export function addRotationCommands(credential: Command, cli: Cli): void {
  for (const add of [addRotate, addRollBack, addFinish, addVersions]) add(credential, cli);
}

function addRotate(credential: Command, cli: Cli): void {
  secretOptions(credential.command("rotate"))
    .description("put a new secret in its place and keep the old one for an overlap; asks for the new one")
    .argument("<credential>", "its id")
    .option(
      "--overlap <seconds>",
      "how long both are kept; 3600 when left out, 0 in an emergency",
      parseSeconds,
    )
    .option("--allow-wider", "the new key may do more than the old one")
    .action(async (id: string, { overlap, allowWider, ...options }: RotateOptions) => {
      const api = await cli.api();
      const { venue, revision } = await api.credentials.show(id);
      const secret = await askSecret(cli, findVenue((await api.venues()).items, venue), options);
      const { rotation } = await api.credentials.rotate(id, revision, {
        secret,
        ...(overlap === undefined ? {} : { overlap_seconds: overlap }),
        ...(allowWider === undefined ? {} : { allow_wider: true }),
      });
      cli.output.one(rotation, columns);
    });
}

function addRollBack(credential: Command, cli: Cli): void {
  credential
    .command("roll-back")
    .description("put the old secret back while the overlap lasts, and destroy the new one")
    .argument("<credential>", "its id")
    .option("--yes", "do not ask; needed where there is no terminal")
    .action(async (id: string, { yes }: Readonly<{ yes?: true }>) => {
      const api = await cli.api();
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the new secret of ${await nameCredential(api, id)} and put the old one back?`;
      });
      const { credentials } = api;
      const { revision } = await credentials.show(id);
      cli.output.one((await credentials.rollBack(id, revision)).rotation, columns);
    });
}

function addFinish(credential: Command, cli: Cli): void {
  credential
    .command("finish-rotation")
    .description("end the overlap now and destroy the old secret")
    .argument("<credential>", "its id")
    .option("--leave-key", "leave the old key at the venue, where Keyhold made the new one")
    .option("--yes", "do not ask; needed where there is no terminal")
    .action(async (id: string, { yes, leaveKey }: Readonly<{ yes?: true; leaveKey?: true }>) => {
      const api = await cli.api();
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the old secret of ${await nameCredential(api, id)} now?`;
      });
      cli.output.one(await api.credentials.finishRotation(id, { leave_key: leaveKey === true }), columns);
    });
}

function addVersions(credential: Command, cli: Cli): void {
  credential
    .command("versions")
    .description("show the versions of its secret, and who may still need the old one")
    .argument("<credential>", "its id")
    .action(async (id: string) => showVersions(cli, await (await cli.api()).credentials.versions(id)));
}

function showVersions({ output }: Cli, versions: Versions): void {
  const { items, rotation, old_version_uses: uses } = versions;
  output.list({ ...versions, next_cursor: null, count: items.length }, [
    ["version", ({ version }) => version],
    ["state", ({ state }) => state],
    ["uses", ({ uses }) => uses],
    ["store", ({ store }) => store],
    ["created", ({ created_at }) => created_at],
    ["destroyed", ({ destroyed_at }) => destroyed_at],
  ]);
  if (rotation?.state !== "overlap") return;
  output.note(
    `both versions are kept until ${rotation.overlap_until}; fallbacks so far: ${rotation.fallbacks}`,
  );
  for (const { actor, how, count, last_at, has_new } of uses) {
    const since = has_new ? ", who has got the new one since" : "";
    output.note(`${how} ${count} times, last at ${last_at}, by ${JSON.stringify(actor)}${since}`);
  }
}

function parseSeconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give whole seconds, at most a day.");
}
