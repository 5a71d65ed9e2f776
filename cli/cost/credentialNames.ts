/** What a bill calls each credential, by its ARN, and whose it is. */
export type CredentialNames = Map<string, { name: string; team: string }>
