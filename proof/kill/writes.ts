import { randomUUID } from "node:crypto";
import type { Control } from "../../simulator/control.ts";
import { type Answer, asRecord, type Request, textIn } from "../ha/client.ts";
import { Kept, type Pair, type Tenant } from "../ha/kept.ts";
import { Entry, type Ledger } from "./ledger.ts";

/** A request that changes something, under a key that makes a repeat of it safe. */
export type Write = Readonly<{
  what: string;
  request: Request;
  /** Notes what was acknowledged. */
  settle(answer: Answer): void;
}>;

type Needs = Readonly<{ control: Control; ledger: Ledger }>;

const secretOf = ({ apiKey, apiSecret }: Pair): object => ({ api_key: apiKey, api_secret: apiSecret });

let registered = 0;

export function registration({ control, ledger }: Needs, tenant: Tenant): Write {
  const number = (registered += 1);
  const kept = new Kept(tenant, `account ${number}`);
  const pair = control.addKey("binance", { environment: "live", account: kept.account });
  const label = `credential ${number}`;
  const [sent, entry] = [kept.send(pair), new Entry(kept, label)];
  const body = {
    account_id: tenant.accountId,
    venue: "binance",
    environment: "live",
    label,
    policy: { allow: ["read", "trade"], reveal: true },
    secret: secretOf(pair),
  };
  return keyed("register", tenant, { method: "POST", path: "/credentials", body }, (answer) => {
    acknowledge(kept, sent, answer, answer.body);
    entry.isBusy = false;
    ledger.entries.push(entry);
  });
}

/** The old secret is destroyed with the change; its key stays at the venue. */
export function rotation({ control }: Needs, entry: Entry): Write {
  const { kept } = entry;
  const pair = control.addKey("binance", { environment: "live", account: kept.account });
  const sent = kept.send(pair);
  const request = {
    method: "POST",
    path: `/credentials/${kept.id}/rotate`,
    body: { secret: secretOf(pair), overlap_seconds: 0 },
  } as const;
  return keyed("rotate", kept.tenant, withRevision(request, kept), (answer) => {
    acknowledge(kept, sent, answer, asRecord(answer.body["credential"]));
    entry.isBusy = false;
  });
}

export function replacement({ control }: Needs, entry: Entry): Write {
  const { kept } = entry;
  const pair = control.addKey("binance", { environment: "live", account: kept.account });
  const sent = kept.send(pair);
  const body = { secret: secretOf(pair) };
  const request = { method: "PUT", path: `/credentials/${kept.id}/secret`, body } as const;
  return keyed("replace", kept.tenant, withRevision(request, kept), (answer) => {
    acknowledge(kept, sent, answer, answer.body);
    entry.isBusy = false;
  });
}

export function revocation(entry: Entry): Write {
  const { id, tenant } = entry.kept;
  const request = { method: "POST", path: `/credentials/${id}/revoke`, body: {} } as const;
  return keyed("revoke", tenant, request, () => {
    entry.revoked = true;
    entry.isBusy = false;
  });
}

/** Nothing refuses a second account of the same name, so that an account that is opened twice is seen. */
export function accountOpening({ ledger }: Needs, tenant: Tenant): Write {
  const name = `account ${randomUUID()}`;
  ledger.accounts.push({ tenant, name });
  return keyed("open account", tenant, { method: "POST", path: "/accounts", body: { name } }, () => {});
}

function withRevision(request: Omit<Request, "token">, { revision }: Kept): Omit<Request, "token"> {
  return { ...request, headers: { "if-match": `"${revision}"` } };
}

function keyed(
  what: string,
  { token }: Tenant,
  request: Omit<Request, "token">,
  settle: Write["settle"],
): Write {
  const headers = { ...request.headers, "idempotency-key": randomUUID() };
  return { what, request: { ...request, token, headers }, settle };
}

function acknowledge(kept: Kept, sent: number, { ended }: Answer, credential: Answer["body"]): void {
  kept.acknowledge(sent, ended, { id: textIn(credential, "id"), revision: Number(credential["revision"]) });
}
