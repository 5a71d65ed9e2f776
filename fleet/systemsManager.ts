/** The client of Systems Manager, for those who load it when they use it: see stepFunctions.ts. */
export { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
