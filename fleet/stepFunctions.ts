/**
 * The client and the commands of Step Functions, for files that load them by `await import()` when they need them. A bundle takes
 * the whole of a package that is imported in this way, but of this file only what is named here.
 */
export {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  paginateGetExecutionHistory,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
