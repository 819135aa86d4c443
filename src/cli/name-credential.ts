import type { Api } from "./api.ts";
import { CliError } from "./errors.ts";

/** A credential in words that tell it from others, for a question: venue, environment, label and account. */
export async function nameCredential(api: Api, id: string): Promise<string> {
  const { venue, environment, label, account_id } = await api.credentials.show(id);
  return `${venue} ${environment} "${label}" of account ${await nameAccount(api, account_id)}`;
}

/** A caller may see a credential and not its account. */
async function nameAccount({ accounts }: Api, id: string): Promise<string> {
  try {
    return `"${(await accounts.show(id)).name}"`;
  } catch (error) {
    if (error instanceof CliError && error.failure === "refused") return id;
    throw error;
  }
}
