import type { Command } from "commander";
import type { CredentialUpdate, Policy, Registration } from "./api.ts";
import { askSecret, secretOptions, type SecretOptions } from "./ask-secret.ts";
import { assertChange, type Cli, collect, contradicting, type PageOptions, pageOptions } from "./cli.ts";
import { CliError, hintFor } from "./errors.ts";
import { noteWhatIsLeft, statusOf } from "./freezes.ts";
import type { Column } from "./output.ts";
import { addHealthCommand } from "./health.ts";
import { nameCredential } from "./name-credential.ts";
import type { Credential, Permissions, Validation } from "./shapes.ts";
import { findVenue } from "./venues.ts";
import { canAsk, confirm, confirmDestruction } from "./terminal.ts";
import { addRotationCommands, addScheduleCommands } from "./rotation.ts";

const listColumns: readonly Column<Credential>[] = [
  ["id", ({ id }) => id],
  ["venue", ({ venue }) => venue],
  ["environment", ({ environment }) => environment],
  ["label", ({ label }) => label],
  ["status", ({ status, frozen }) => (frozen ? `${status}, frozen` : status)],
  ["may", ({ permissions }) => mayOf(permissions)],
  ["health", ({ health }) => health],
];
const columns: readonly Column<Credential>[] = [
  ...listColumns.map(([heading, cell]): Column<Credential> => [
    heading,
    heading === "status" ? statusOf : cell,
  ]),
  ["message", ({ health_message }) => health_message],
  ["account", ({ account_id }) => account_id],
  ["policy", ({ policy }) => [...policy.allow, ...(policy.reveal ? ["reveal"] : [])]],
  ["validated", ({ last_validated_at }) => last_validated_at],
  ["expires", ({ expires_at }) => expires_at],
  ["revision", ({ revision }) => revision],
];
const validationColumns: readonly Column<Validation>[] = [
  ["valid", ({ is_valid }) => (is_valid === null ? "unknown" : is_valid)],
  ["outcome", ({ outcome }) => outcome],
  ["message", ({ message }) => message],
  ["may", ({ permissions }) => mayOf(permissions)],
  [
    "account",
    ({ account_type, account_status }) => [account_type, account_status].filter((it) => it !== null),
  ],
];

/** What the venue says that the key may do; a question mark where it cannot tell. */
function mayOf(permissions: Permissions | null): readonly string[] {
  if (permissions === null) return [];
  return (["read", "trade", "transfer", "withdraw"] as const).flatMap((name) => {
    if (permissions[name] === "yes") return [name];
    return permissions[name] === "unknown" ? [`${name}?`] : [];
  });
}

export function addCredentialCommands(program: Command, cli: Cli): void {
  const credential = program.command("credential").description("keys of trading venues");
  addRegister(credential, cli);
  addReaders(credential, cli);
  addValidate(credential, cli);
  addReveal(credential, cli);
  addUpdate(credential, cli);
  addReplace(credential, cli);
  addRotationCommands(credential, cli);
  addScheduleCommands(credential, cli);
  addHealthCommand(credential, cli);
  addFreeze(credential, cli);
  addEnds(credential, cli);
}

export type RegisterOptions = Readonly<{
  account: string;
  environment: string;
  label?: string;
  allow?: readonly string[];
  reveal?: true;
  expires?: string;
  deferred?: true;
}>;

function addRegister(credential: Command, cli: Cli): void {
  secretOptions(credential.command("register"))
    .description("keep a key after the venue has said that it works; asks for the secret")
    .argument("<venue>", "`keyhold venues` lists them")
    .requiredOption("--account <id>", "the account that it belongs to")
    .option("--environment <name>", "live, paper or testnet", "live")
    .option("--label <label>", "tells several of one account, venue and environment apart")
    .option(
      "--allow <classes>",
      "what invoke may do: read, trade, transfer, withdraw; read when left out",
      collect,
    )
    .option("--reveal", "the plaintext may be revealed")
    .option("--expires <time>", "when its use ends, RFC 3339")
    .option("--deferred", "keep it although the venue cannot be asked now")
    .action(async (name: string, options: RegisterOptions & SecretOptions) => {
      const api = await cli.api();
      const venue = findVenue((await api.venues()).items, name);
      const secret = await askSecret(cli, venue, options);
      const registration = { venue: venue.id, ...registrationOf(options), secret };
      cli.output.one(await api.credentials.register(registration), columns);
    });
}

/** What is asked of a registration beside the venue and the secret. */
export function registrationOf(options: RegisterOptions): Omit<Registration, "venue" | "secret"> {
  const { account, environment, label, expires, deferred } = options;
  const policy = policyOf(options);
  return {
    account_id: account,
    environment,
    ...(label === undefined ? {} : { label }),
    ...(policy === undefined ? {} : { policy }),
    ...(expires === undefined ? {} : { expires_at: expires }),
    ...(deferred === undefined ? {} : { validation: "deferred" }),
  };
}

function policyOf({
  allow,
  reveal,
}: Readonly<{ allow?: readonly string[]; reveal?: boolean }>): Policy | undefined {
  if (allow === undefined && reveal === undefined) return undefined;
  return { ...(allow === undefined ? {} : { allow }), ...(reveal === undefined ? {} : { reveal }) };
}

type ListOptions = PageOptions &
  Readonly<{ account?: string; venue?: string; environment?: string; status?: string; label?: string }>;

function addReaders(credential: Command, cli: Cli): void {
  pageOptions(credential.command("list"))
    .description("show the credentials that you may see, newest first; never their secrets")
    .option("--account <id>", "of this account")
    .option("--venue <venue>", "of this venue")
    .option("--environment <name>", "live, paper or testnet")
    .option("--status <status>", "pending, active, inactive, invalid, expired or revoked")
    .option("--label <label>", "of this label")
    .action(async ({ account, ...rest }: ListOptions) => {
      const api = await cli.api();
      cli.output.list(await api.credentials.list({ account_id: account, ...rest }), listColumns);
    });
  credential
    .command("show")
    .description("show one credential; never its secret")
    .argument("<credential>", "its id")
    .action(async (id: string) => cli.output.one(await (await cli.api()).credentials.show(id), columns));
}

function addValidate(credential: Command, cli: Cli): void {
  credential
    .command("validate")
    .description("ask the venue; exits with 1 when it refuses and with 3 when it could not be asked")
    .argument("<credential>", "its id")
    .action(async (id: string) => {
      const validation = await (await cli.api()).credentials.validate(id);
      cli.output.one(validation, validationColumns);
      if (validation.is_valid === false)
        throw new CliError("refused", "the venue does not accept the credential");
      if (validation.is_valid === null) {
        throw new CliError("unavailable", "the venue could not tell", {
          hint: hintFor("venue_unavailable", validation.outcome),
        });
      }
    });
}

function addReveal(credential: Command, cli: Cli): void {
  credential
    .command("reveal")
    .description("print the plaintext, as JSON; the record keeps that you did and why")
    .argument("<credential>", "its id")
    .requiredOption("--reason <text>", "for the record")
    .option("--yes", "do not ask")
    .action(async (id: string, { reason, yes }: Readonly<{ reason: string; yes?: true }>) => {
      const api = await cli.api();
      if (yes !== true && canAsk(cli.terminal))
        await confirm(cli.terminal, `Reveal the secret of ${await nameCredential(api, id)}?`);
      const bytes = await api.credentials.reveal(id, reason);
      cli.terminal.output.write(bytes);
      cli.terminal.output.write("\n", () => bytes.fill(0));
    });
}

type UpdateOptions = Readonly<{
  label?: string;
  activate?: true;
  deactivate?: true;
  expires?: string;
  allow?: readonly string[];
  reveal?: boolean;
}>;

function addUpdate(credential: Command, cli: Cli): void {
  const update = credential.command("update");
  contradicting(update, "activate", "deactivate");
  contradicting(update, "reveal", "no-reveal");
  update
    .description("change label, policy or expiry, or switch on and off")
    .argument("<credential>", "its id")
    .option("--label <label>", "the new label")
    .option("--allow <classes>", "what invoke may do from now on: read, trade, transfer, withdraw", collect)
    .option("--reveal", "the plaintext may be revealed")
    .option("--no-reveal", "the plaintext may not be revealed")
    .option("--activate", "switch on, if the venue says that the key works")
    .option("--deactivate", "switch off")
    .option("--expires <time>", "when its use ends, RFC 3339, or never")
    .action(async (id: string, options: UpdateOptions) => {
      const update = updateOf(options);
      assertChange(update);
      const { credentials } = await cli.api();
      const { revision } = await credentials.show(id);
      cli.output.one(await credentials.update(id, revision, update), columns);
    });
}

function updateOf(options: UpdateOptions): CredentialUpdate {
  const { label, activate, deactivate, expires } = options;
  const policy = policyOf(options);
  return {
    ...(label === undefined ? {} : { label }),
    ...(policy === undefined ? {} : { policy }),
    ...(activate === undefined ? {} : { active: true }),
    ...(deactivate === undefined ? {} : { active: false }),
    ...(expires === undefined ? {} : { expires_at: expires === "never" ? null : expires }),
  };
}

function addReplace(credential: Command, cli: Cli): void {
  secretOptions(credential.command("replace"))
    .description(
      "put another secret in its place at once, after the venue has said that it works; asks for it",
    )
    .argument("<credential>", "its id")
    .action(async (id: string, options: SecretOptions) => {
      const api = await cli.api();
      const { venue, revision } = await api.credentials.show(id);
      const secret = await askSecret(cli, findVenue((await api.venues()).items, venue), options);
      cli.output.one(await api.credentials.replace(id, revision, secret), columns);
    });
}

function addFreeze(credential: Command, cli: Cli): void {
  credential
    .command("freeze")
    .description("stop every use at once")
    .argument("<credential>", "its id")
    .option("--reason <text>", "for the record")
    .action(async (id: string, { reason }: Readonly<{ reason?: string }>) => {
      const api = await cli.api();
      cli.output.one(await api.credentials.freeze(id, { reason }), columns);
    });
  credential
    .command("unfreeze")
    .description("allow its use again")
    .argument("<credential>", "its id")
    .action(async (id: string) => {
      const unfrozen = await (await cli.api()).credentials.unfreeze(id);
      cli.output.one(unfrozen, columns);
      noteWhatIsLeft(cli, unfrozen);
    });
}

function addEnds(credential: Command, cli: Cli): void {
  credential
    .command("revoke")
    .description("destroy the secret for good and keep what is known of it")
    .argument("<credential>", "its id")
    .option("--yes", "do not ask; needed where there is no terminal")
    .action(async (id: string, { yes }: Readonly<{ yes?: true }>) => {
      const api = await cli.api();
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the secret of ${await nameCredential(api, id)} for good?`;
      });
      cli.output.one(await api.credentials.revoke(id), columns);
    });
  credential
    .command("delete")
    .description("destroy the secret and take the credential out of every list")
    .argument("<credential>", "its id")
    .option("--yes", "do not ask; needed where there is no terminal")
    .action(async (id: string, { yes }: Readonly<{ yes?: true }>) => {
      const api = await cli.api();
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the secret of ${await nameCredential(api, id)} and remove the credential?`;
      });
      await api.credentials.delete(id);
      cli.output.text(`${id} is deleted`, { id, deleted: true });
    });
}
