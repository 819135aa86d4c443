import { all, answerOf, at, type Client, KeyholdProblem } from "@keyhold/client";
import { nearNames } from "../near-names.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";

/** Something that has an id, with the names that people have for it; the last name is the fullest. */
type Named = Readonly<{ id: string; names: readonly string[] }>;

/** Everything of one kind that the caller may see. */
const lists = {
  async *account(api: Client): AsyncGenerator<Named> {
    const items = all((query) => answerOf(api.GET("/api/v1/accounts", { params: { query } })));
    for await (const { id, name } of items) yield { id, names: [name] };
  },
  /** One that is revoked is of no more use, so that another one may have its names. */
  async *credential(api: Client): AsyncGenerator<Named> {
    const items = all((query) => answerOf(api.GET("/api/v1/credentials", { params: { query } })));
    for await (const { id, venue, environment, label, status } of items) {
      const full = `${venue}/${environment}/${label}`;
      const names =
        status === "revoked" ? [] : [label, venue, `${venue}/${environment}`, `${venue}/${label}`];
      yield { id, names: [...names, full] };
    }
  },
  async *member(api: Client): AsyncGenerator<Named> {
    const items = all((query) => answerOf(api.GET("/api/v1/members", { params: { query } })));
    for await (const { id, subject } of items) yield { id, names: [subject] };
  },
  async *tenant(api: Client): AsyncGenerator<Named> {
    const items = all((query) => answerOf(api.GET("/api/v1/tenants", { params: { query } })));
    for await (const { id, name } of items) yield { id, names: [name] };
  },
  async *"API key"(api: Client): AsyncGenerator<Named> {
    const items = all((query) => answerOf(api.GET("/api/v1/api-keys", { params: { query } })));
    for await (const { id, name, prefix } of items) yield { id, names: [prefix, name] };
  },
  async *webhook(api: Client): AsyncGenerator<Named> {
    const items = all((query) => answerOf(api.GET("/api/v1/webhooks", { params: { query } })));
    for await (const { id, url, description } of items) yield { id, names: [description, url] };
  },
  async *delivery(api: Client): AsyncGenerator<Named> {
    const items = all((query) => answerOf(api.GET("/api/v1/webhooks/deliveries", { params: { query } })));
    for await (const { id, message_id } of items) yield { id, names: [message_id] };
  },
};

/** What a command says of the credential that it takes. */
export const aboutCredential = "its id, label, venue, or venue/environment/label";

export function isId(text: string): boolean {
  return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text);
}

/**
 * The id of what a person named: by its id, the beginning of its id, or a name of it. Throws `CliError` where
 * nothing or several things have that name; nothing is guessed.
 */
export async function idOf(
  { api }: Pick<Cli, "api">,
  kind: keyof typeof lists,
  text: string,
): Promise<string> {
  if (isId(text)) return text;
  const known = await Array.fromAsync(lists[kind](await api()));
  const exact = known.filter(({ id, names }) => names.includes(text) || isBeginning(text, id));
  const found = exact.length > 0 ? exact : known.filter(({ names }) => isAmong(text, names));
  const [one, ...others] = found;
  if (one !== undefined && others.length === 0) return one.id;
  if (one !== undefined) {
    throw new CliError("usage", `${text} may be any of ${found.length} ${kind}s`, {
      detail: found.slice(0, mostShown).map(describe).join("; "),
      hint: "name one by its id",
    });
  }
  const near = nearNames(
    text,
    known.flatMap(({ names }) => names),
  );
  throw new CliError("usage", `there is no ${kind} ${text} that you may see`, {
    hint: near.length === 0 ? "`list` shows ids and names" : `did you mean ${near.join(" or ")}?`,
  });
}

const mostShown = 10;

/** The same for several, which an option takes. */
export async function idsOf(cli: Cli, kind: keyof typeof lists, texts: readonly string[] | undefined) {
  if (texts === undefined) return undefined;
  return Promise.all(texts.map((text) => idOf(cli, kind, text)));
}

/** The same for an option that may be left out. */
export async function idOfGiven(
  cli: Cli,
  kind: keyof typeof lists,
  text: string | undefined,
): Promise<string | undefined> {
  return text === undefined ? undefined : idOf(cli, kind, text);
}

/** So few characters begin the ids of many things. */
function isBeginning(text: string, id: string): boolean {
  return text.length >= 4 && id.startsWith(text.toLowerCase());
}

function isAmong(text: string, names: readonly string[]): boolean {
  return names.some((name) => name.toLowerCase() === text.toLowerCase());
}

function describe({ id, names }: Named): string {
  return `${id} (${names.at(-1) ?? ""})`;
}

/**
 * A credential in words that distinguish it from others, for a question: venue, environment, label and
 * account.
 */
export async function nameCredential(api: Client, id: string): Promise<string> {
  const { venue, environment, label, account_id } = await answerOf(
    api.GET("/api/v1/credentials/{id}", at(id)),
  );
  return `${venue} ${environment} "${label}" of account ${await nameAccount(api, account_id)}`;
}

/** A caller may see a credential and not its account. */
async function nameAccount(api: Client, id: string): Promise<string> {
  try {
    return `"${(await answerOf(api.GET("/api/v1/accounts/{id}", at(id)))).name}"`;
  } catch (error) {
    if (error instanceof KeyholdProblem && !error.isTemporary) return id;
    throw error;
  }
}
