//! From environment, profile and options to clients.

use super::clock::DateReader;
use super::{Aws, Calls, Clock, LockPlaces, Names, Pace, Shared, wire};
use crate::engine::{Trouble, TroubleKind};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What may be said about where to connect to; everything left out comes from AWS's own environment variables and
/// files (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`, `~/.aws/config`, …), credentials from its default chain.
#[derive(Clone, Debug, Default)]
pub struct Connect {
    pub region: Option<String>,
    pub profile: Option<String>,
    pub endpoint_url: Option<String>,
    /// How many times faster than real time a simulated AWS runs; 0 and 1 mean real time.
    pub time_scale: u32,
    /// Takes the network's place; for tests.
    pub http_client: Option<SharedHttpClient>,
    pub credentials: Option<Credentials>,
}

impl Aws {
    /// Makes the clients. Sends no request to AWS, except where a profile's credentials need one.
    ///
    /// # Errors
    /// [`TroubleKind::Rejected`] if no region is given anywhere.
    pub async fn connect(options: Connect) -> Result<Aws, Trouble> {
        let http = wire::client(options.http_client);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            // The wire's own time limit bounds the whole exchange.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(region) = options.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(profile) = options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(credentials) = options.credentials {
            loader = loader.credentials_provider(credentials);
        }
        let config = loader.load().await;
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: "connecting to AWS".into(),
                message: "no region; set destination.ecs.region, AWS_REGION or a profile that has one".into(),
            });
        };
        let clock = Clock::scaled(options.time_scale);
        Ok(Aws { shared: Arc::new(clients(&config, region, clock)), guard: Arc::default(), fence: None })
    }
}

fn clients(config: &SdkConfig, region: String, clock: Clock) -> Shared {
    let clock = Arc::new(clock);
    // One attempt: `Aws::send` repeats, because each attempt has to be paced before it is signed, and because a write
    // whose answer was lost must not be repeated blindly.
    let once = RetryConfig::disabled();
    let dates = || DateReader(Arc::clone(&clock));
    Shared {
        ecs: aws_sdk_ecs::Client::from_conf(
            aws_sdk_ecs::config::Builder::from(config)
                .retry_config(once.clone())
                .interceptor(dates())
                .build(),
        ),
        elb: aws_sdk_elasticloadbalancingv2::Client::from_conf(
            aws_sdk_elasticloadbalancingv2::config::Builder::from(config)
                .retry_config(once.clone())
                .interceptor(dates())
                .build(),
        ),
        cloudwatch: aws_sdk_cloudwatch::Client::from_conf(
            aws_sdk_cloudwatch::config::Builder::from(config)
                .retry_config(once.clone())
                .interceptor(dates())
                .build(),
        ),
        sts: aws_sdk_sts::Client::from_conf(
            aws_sdk_sts::config::Builder::from(config).retry_config(once).interceptor(dates()).build(),
        ),
        region,
        clock: Arc::clone(&clock),
        pace: Pace::default(),
        calls: Calls::default(),
        lock_places: LockPlaces::default(),
        names: Names::default(),
    }
}
