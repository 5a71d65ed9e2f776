/** The client of Systems Manager, for files that load it by `await import()` when they need it: see stepFunctions.ts. */
export { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
