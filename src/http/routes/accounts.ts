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
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import {
  freezeExample,
  freezes,
  id,
  idParams,
  ifMatch,
  revision,
  subject,
  switchedOffRank,
  text,
  time,
} from "../schemas.ts";
import { freezeRoutes, liftsFreezes, listRoute, showRoute } from "./kinds.ts";
import type { Parts } from "./parts.ts";

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

const account = component(
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

const accountList = listOf(
  "AccountList",
  component(
    "ListedAccount",
    account.extend({ owner_subject: subject.meta({ description: "Of the member who owns it" }) }),
    listedExample,
  ),
  listedExample,
);

const newAccount = component(
  "NewAccount",
  z.strictObject({
    name: text(255),
    owner_id: id.exactOptional().meta({ description: "Another member than yourself takes an administrator" }),
  }),
  { name: "Main" },
);

const accountUpdate = component(
  "AccountUpdate",
  z.strictObject({ name: text(255).exactOptional(), active: z.boolean().exactOptional() }),
  { active: false },
);

export function accountRoutes(parts: Parts): readonly Route[] {
  return [create, list, show, update, remove].map((define) => define(parts)).concat(freezeAndUnfreeze(parts));
}

function create({ custody }: Parts): Route {
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

function list({ custody, cursors }: Parts): Route {
  return listRoute(cursors, {
    list: "accounts",
    path: "/api/v1/accounts",
    operationId: "listAccounts",
    tag: "accounts",
    summary: "List the accounts that you may see",
    permission: holdersOf("accounts:read"),
    answer: json(200, "A page of accounts", accountList),
    read: (caller, page) => listAccounts(custody.db, caller, page),
  });
}

function show({ custody }: Parts): Route {
  return showRoute({
    path: "/api/v1/accounts/:id",
    operationId: "showAccount",
    tag: "accounts",
    summary: "Show an account",
    permission: holdersOf("accounts:read"),
    answer: json(200, "The account", account),
    show: (caller, id) => showAccount(custody.db, caller, id),
  });
}

function update({ custody }: Parts): Route {
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

function remove({ custody }: Parts): Route {
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

function freezeAndUnfreeze({ custody }: Parts): readonly Route[] {
  return freezeRoutes({
    path: "/api/v1/accounts/:id",
    name: "Account",
    tag: "accounts",
    summary: { freeze: "Freeze an account", unfreeze: "Unfreeze an account" },
    description: {
      freeze: "Stops every use of the account's credentials immediately.",
      unfreeze: liftsFreezes,
    },
    permission: holdersOf("accounts:write"),
    audit: { freeze: ["account.frozen"], unfreeze: ["account.unfrozen", "freeze.lifted"] },
    answer: json(200, "The account as it is now", account),
    freeze: (caller, id, reason) => freezeAccount(custody.db, caller, id, reason),
    unfreeze: (caller, id) => unfreezeAccount(custody.db, caller, id),
  });
}
