import { randomUUID } from "node:crypto";
import { type Client, type Credential, ifMatch } from "@keyhold/client";
import type { Control } from "../../simulator/control.ts";
import { type Answer, ask, connect, type Sent } from "../ha/client.ts";
import { registration as newCredential, secretOf } from "../ha/desk.ts";
import { Kept, type Tenant } from "../ha/kept.ts";
import { Entry, type Ledger } from "./ledger.ts";

/** A request that changes something, under a key that makes a repeat of it safe. */
export type Write = Readonly<{
  what: string;
  /** Sends it, and notes what was acknowledged. */
  send(origin: string): Promise<Answer>;
}>;

type Needs = Readonly<{ control: Control; ledger: Ledger }>;

type Key = Readonly<{ "Idempotency-Key": string }>;

let registered = 0;

export function registration({ control, ledger }: Needs, tenant: Tenant): Write {
  const number = (registered += 1);
  const kept = new Kept(tenant, `account ${number}`);
  const pair = control.addKey("binance", { environment: "live", account: kept.account });
  const label = `credential ${number}`;
  const [sent, entry] = [kept.send(pair), new Entry(kept, label)];
  const body = newCredential(tenant.accountId, label, pair);
  const send = (keyhold: Client, header: Key) =>
    keyhold.POST("/api/v1/credentials", { params: { header }, body });
  return keyed("register", tenant, send, (credential, ended) => {
    kept.acknowledge(sent, ended, credential);
    entry.isBusy = false;
    ledger.entries.push(entry);
  });
}

/** The old secret is destroyed with the change; its key stays at the venue. */
export function rotation(needs: Needs, entry: Entry): Write {
  return renewal("rotate", needs, entry, async (keyhold, params, secret) => {
    const body = { secret, overlap_seconds: 0 };
    const { data, response } = await keyhold.POST("/api/v1/credentials/{id}/rotate", { params, body });
    return { data: data?.credential, response };
  });
}

export function replacement(needs: Needs, entry: Entry): Write {
  return renewal("replace", needs, entry, (keyhold, params, secret) =>
    keyhold.PUT("/api/v1/credentials/{id}/secret", { params, body: { secret } }),
  );
}

function renewal(
  what: string,
  { control }: Needs,
  entry: Entry,
  request: (
    keyhold: Client,
    params: { path: { id: string }; header: Key & ReturnType<typeof ifMatch> },
    secret: ReturnType<typeof secretOf>,
  ) => Sent<Credential | undefined>,
): Write {
  const { kept } = entry;
  const { id, account, tenant } = kept;
  const pair = control.addKey("binance", { environment: "live", account });
  const sent = kept.send(pair);
  const revision = ifMatch(kept.revision);
  const send = (keyhold: Client, key: Key) =>
    request(keyhold, { path: { id }, header: { ...key, ...revision } }, secretOf(pair));
  return keyed(what, tenant, send, (credential, ended) => {
    kept.acknowledge(sent, ended, credential);
    entry.isBusy = false;
  });
}

export function revocation(entry: Entry): Write {
  const { id, tenant } = entry.kept;
  const send = (keyhold: Client, header: Key) =>
    keyhold.POST("/api/v1/credentials/{id}/revoke", { params: { path: { id }, header } });
  return keyed("revoke", tenant, send, () => {
    entry.revoked = true;
    entry.isBusy = false;
  });
}

/** Nothing refuses a second account of the same name, so that an account that is opened twice is seen. */
export function accountOpening({ ledger }: Needs, tenant: Tenant): Write {
  const body = { name: `account ${randomUUID()}` };
  ledger.accounts.push({ tenant, ...body });
  const send = (keyhold: Client, header: Key) =>
    keyhold.POST("/api/v1/accounts", { params: { header }, body });
  return keyed("open account", tenant, send, () => {});
}

function keyed<T>(
  what: string,
  { token }: Tenant,
  request: (keyhold: Client, key: Key) => Sent<T>,
  settle: (body: NonNullable<T>, ended: number) => void,
): Write {
  const key = { "Idempotency-Key": randomUUID() };
  return {
    what,
    async send(origin) {
      const answer = await ask(() => request(connect(origin, token), key));
      if (answer.body !== null) settle(answer.body, answer.ended);
      return answer;
    },
  };
}
