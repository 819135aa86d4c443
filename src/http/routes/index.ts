import type { Route } from "../route.ts";
import { accountRoutes } from "./accounts.ts";
import { apiKeyRoutes } from "./api-keys.ts";
import { auditRoutes } from "./audit.ts";
import { credentialRotationRoutes } from "./credential-rotations.ts";
import { credentialStateRoutes } from "./credential-states.ts";
import { credentialUseRoutes } from "./credential-uses.ts";
import { credentialRoutes } from "./credentials.ts";
import { healthRoutes } from "./health.ts";
import { invokeRoutes } from "./invoke.ts";
import type { Parts } from "./kinds.ts";
import { memberRoutes } from "./members.ts";
import { rotationScheduleRoutes } from "./rotation-schedules.ts";
import { serviceRoutes } from "./service.ts";
import { tenantRoutes } from "./tenant.ts";
import { tenantsRoutes } from "./tenants.ts";
import { venueRoutes } from "./venues.ts";
import { webhookDeliveryRoutes } from "./webhook-deliveries.ts";
import { webhookRoutes } from "./webhooks.ts";

/** Every route of the API. */
export function createRoutes(parts: Parts): readonly Route[] {
  return [
    ...credentialRoutes(parts),
    ...credentialUseRoutes(parts),
    ...invokeRoutes(parts),
    ...credentialRotationRoutes(parts),
    ...rotationScheduleRoutes(parts),
    ...credentialStateRoutes(parts),
    ...healthRoutes(parts),
    ...accountRoutes(parts),
    ...memberRoutes(parts),
    ...apiKeyRoutes(parts),
    ...webhookRoutes(parts),
    ...webhookDeliveryRoutes(parts),
    ...auditRoutes(parts),
    ...tenantRoutes(parts),
    ...tenantsRoutes(parts),
    ...serviceRoutes(parts),
    ...venueRoutes(parts),
  ];
}
