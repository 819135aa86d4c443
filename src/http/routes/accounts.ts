import { z } from "zod";
import { deleteAccount } from "../../credentials/erase.ts";
import {
  createAccount,
  freezeAccount,
  listAccounts,
  showAccount,
  unfreezeAccount,
  updateAccount,
} from "../../tenants/account.ts";
import { json, noContent } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import {
  component,
  freezeExample,
  freezes,
  id,
  idParams,
  ifMatch,
  listOf,
  revision,
  subject,
  switchedOffRank,
  text,
  time,
} from "../schemas.ts";
import { freezeRoutes, liftsFreezes, listRoute, showRoute, type Parts } from "./kinds.ts";

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
      .meta({ description: "While this is false, the account's credentials cannot be used" }),
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
    account.extend({
      owner_subject: subject.meta({ description: "The subject of the member who owns the account" }),
    }),
    listedExample,
  ),
  listedExample,
);

const newAccount = component(
  "NewAccount",
  z.strictObject({
    name: text(255),
    owner_id: id
      .exactOptional()
      .meta({ description: "Defaults to you. Only an administrator can name another member" }),
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
    summary: "Create an account",
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
    summary: "List accounts",
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
    summary: "Update an account",
    description:
      "Renames the account, or switches it on or off. While it is off, its credentials cannot be used. Only the rank that switched it off, or a higher one, can switch it on again.",
    permission: holdersOf("accounts:write"),
    audit: ["account.updated"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: accountUpdate }),
    answer: json(200, "The updated account", account),
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
    summary: "Delete an account",
    description:
      "Also revokes the account's credentials, and therefore requires the scope `credentials:write` as well.",
    permission: holdersOf("accounts:write"),
    audit: ["account.deleted", "credential.revoked"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("The account is deleted and its secrets are destroyed"),
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
    answer: json(200, "The updated account", account),
    freeze: (caller, id, reason) => freezeAccount(custody.db, caller, id, reason),
    unfreeze: (caller, id) => unfreezeAccount(custody.db, caller, id),
  });
}
