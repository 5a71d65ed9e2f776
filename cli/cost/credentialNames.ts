/** The name and the team of each credential in a bill, by the credential's ARN. */
export type CredentialNames = Map<string, { name: string; team: string }>
