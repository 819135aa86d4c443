import { z } from "zod";
import { deleteAccount } from "../../credentials/delete-account.ts";
import {
  createAccount,
  freezeAccount,
  listAccounts,
  showAccount,
  unfreezeAccount,
  updateAccount,
} from "../../tenants/account.ts";
import { json, noContent } from "../answer.ts";
import { component, listOf } from "../components.ts";
import { pageByAge } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import type { Parts } from "./parts.ts";
import {
  freezeExample,
  freezes,
  id,
  idParams,
  ifMatch,
  pageQuery,
  reason,
  revision,
  subject,
  switchedOffRank,
  text,
  time,
} from "../schemas.ts";

const accountExample = {
  id: "c5a2f6de-7b1f-4f7e-a6b5-3e0d6b8a4c22",
  owner_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
  name: "Main",
  active: true,
  switched_off_rank: null,
  frozen: true,
  freezes: [freezeExample],
  revision: 1,
  created_at: "2026-11-20T09:00:00.000Z",
  updated_at: "2026-11-20T09:00:00.000Z",
};

export const account = component(
  "Account",
  z.object({
    id,
    owner_id: id,
    name: z.string(),
    active: z
      .boolean()
      .meta({ description: "The credentials of an account that is not active cannot be used" }),
    switched_off_rank: switchedOffRank,
    frozen: z.boolean(),
    freezes,
    revision,
    created_at: time,
    updated_at: time,
  }),
  accountExample,
);

const listedExample = { ...accountExample, owner_subject: "alice" };

export const accountList = listOf(
  "AccountList",
  component(
    "ListedAccount",
    account.extend({ owner_subject: subject.meta({ description: "Of the member who owns it" }) }),
    listedExample,
  ),
  listedExample,
);

export const newAccount = component(
  "NewAccount",
  z.strictObject({
    name: text(255),
    owner_id: id.exactOptional().meta({ description: "Another member than yourself takes an administrator" }),
  }),
  { name: "Main" },
);

export const accountUpdate = component(
  "AccountUpdate",
  z.strictObject({ name: text(255).exactOptional(), active: z.boolean().exactOptional() }),
  { active: false },
);

type Needs = Pick<Parts, "custody" | "cursors">;

export function accountRoutes(parts: Needs): readonly Route[] {
  return [create, list, show, update, remove, freeze, unfreeze].map((define) => define(parts));
}

function create({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/accounts",
    operationId: "createAccount",
    tag: "accounts",
    summary: "Open an account",
    permission: holdersOf("accounts:write"),
    audit: ["account.created"],
    problems: ["not_found"],
    idempotency: "kept",
    input: z.object({ body: newAccount }),
    answer: json(201, "The account", account, { location: ({ id }) => `/api/v1/accounts/${id}` }),
    handle: ({ caller, input: { body } }) => {
      const { name, owner_id: ownerId } = body;
      return createAccount(custody.db, caller, { name, ...(ownerId === undefined ? {} : { ownerId }) });
    },
  });
}

function list({ custody, cursors }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/accounts",
    operationId: "listAccounts",
    tag: "accounts",
    summary: "List the accounts that you may see",
    permission: holdersOf("accounts:read"),
    audit: { none: "it reads metadata that the caller may see" },
    problems: [],
    idempotency: "none",
    input: z.object({ query: pageQuery }),
    answer: json(200, "A page of accounts", accountList),
    handle: ({ caller, input: { query } }) =>
      pageByAge(cursors, { tenantId: caller.tenantId, list: "accounts" }, query, (page) =>
        listAccounts(custody.db, caller, page),
      ),
  });
}

function show({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/accounts/:id",
    operationId: "showAccount",
    tag: "accounts",
    summary: "Show an account",
    permission: holdersOf("accounts:read"),
    audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: idParams }),
    answer: json(200, "The account", account),
    handle: ({ caller, input: { params } }) => showAccount(custody.db, caller, params.id),
  });
}

function update({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/accounts/:id",
    operationId: "updateAccount",
    tag: "accounts",
    summary: "Rename an account, or switch it on or off",
    description:
      "The credentials of an account that is switched off cannot be used from the same moment. The rank that has switched it off, or a higher one, switches it on.",
    permission: holdersOf("accounts:write"),
    audit: ["account.updated"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: accountUpdate }),
    answer: json(200, "The account as it is now", account),
    handle: ({ caller, input: { params, ifMatch: revision, body } }) =>
      updateAccount(custody.db, caller, params.id, body, revision),
  });
}

function remove({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path: "/api/v1/accounts/:id",
    operationId: "deleteAccount",
    tag: "accounts",
    summary: "Remove an account and revoke its credentials",
    description: "Needs the scope credentials:write as well, because it revokes.",
    permission: holdersOf("accounts:write"),
    audit: ["account.deleted", "credential.revoked"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("It is gone, and the secrets below it are destroyed"),
    handle: ({ caller, input: { params } }) => deleteAccount(custody, caller, params.id),
  });
}

function freeze({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/accounts/:id/freeze",
    operationId: "freezeAccount",
    tag: "accounts",
    summary: "Stop every use of an account's credentials at once",
    permission: holdersOf("accounts:write"),
    audit: ["account.frozen"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, body: reason.optional() }),
    answer: json(200, "The account as it is now", account),
    handle: ({ caller, input: { params, body } }) =>
      freezeAccount(custody.db, caller, params.id, body?.reason ?? null),
  });
}

function unfreeze({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/accounts/:id/unfreeze",
    operationId: "unfreezeAccount",
    tag: "accounts",
    summary: "Allow the use of an account's credentials again",
    description:
      "Lifts the freezes that your rank may lift: those of your own rank and of lower ones. The answer shows those that are left, by which it stays frozen. When you may lift none, the answer is `forbidden`.",
    permission: holdersOf("accounts:write"),
    audit: ["account.unfrozen", "freeze.lifted"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The account as it is now", account),
    handle: ({ caller, input: { params } }) => unfreezeAccount(custody.db, caller, params.id),
  });
}
