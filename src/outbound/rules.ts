/** Where this service may call whom its users name. */
export interface OutboundRules {
  /** Plain http is let through, and its usual port with it. */
  http: boolean;
  ports: readonly number[];
  /** Networks (CIDR) that are let through although they are private, local or reserved. */
  allow: readonly string[];
}
