# Written by policyc from policy.yaml. Do not edit: change the policy and build again.
# Address and key of the firewall or Panorama: PANOS_HOSTNAME, PANOS_API_KEY.
# Import the certificates first (import-certificates.sh): rules name them.

terraform {
  required_version = ">= 1.8"

  required_providers {
    panos = {
      source  = "PaloAltoNetworks/panos"
      version = "~> 2.0"
    }
  }
}

provider "panos" {}

resource "panos_administrative_tag" "policyc" {
  for_each = {
    policyc = {
      color    = "color3"
      comments = "Written by policyc from policy.yaml; change that"
    }
    pair_api = {
      color    = "color3"
      comments = "policy.yaml: sites.api"
    }
    pair_shop = {
      color    = "color3"
      comments = "policy.yaml: sites.shop"
    }
  }
  location = {
    device_group = {
      name = "dmz-firewalls"
    }
  }
  name     = each.key
  color    = each.value.color
  comments = each.value.comments
}

resource "panos_addresses" "policyc" {
  location = {
    device_group = {
      name = "dmz-firewalls"
    }
  }
  addresses = {
    "pair_host-10-10-0-5" = {
      ip_netmask  = "10.10.0.5"
      description = "policy.yaml: targets.panos.proxies"
      tags        = ["policyc"]
    }
    "pair_host-10-10-0-6" = {
      ip_netmask  = "10.10.0.6"
      description = "policy.yaml: targets.panos.proxies"
      tags        = ["policyc"]
    }
    "pair_host-10-20-0-20" = {
      ip_netmask  = "10.20.0.20"
      description = "policy.yaml: backends.api, sites.api"
      tags = [
        "policyc",
        "pair_api",
      ]
    }
    "pair_host-10-20-0-10" = {
      ip_netmask  = "10.20.0.10"
      description = "policy.yaml: backends.shop, sites.shop"
      tags = [
        "policyc",
        "pair_shop",
      ]
    }
    "pair_host-10-20-0-11" = {
      ip_netmask  = "10.20.0.11"
      description = "policy.yaml: backends.shop, sites.shop"
      tags = [
        "policyc",
        "pair_shop",
      ]
    }
  }
  depends_on = [panos_administrative_tag.policyc]
}

resource "panos_service" "policyc" {
  for_each = {
    "pair_tcp-8443" = {
      protocol = {
        tcp = {
          destination_port = "8443"
        }
      }
      description = "policy.yaml: backends.api, sites.api"
      tags = [
        "policyc",
        "pair_api",
      ]
    }
    "pair_tcp-443" = {
      protocol = {
        tcp = {
          destination_port = "443"
        }
      }
      description = "policy.yaml: backends.shop, sites.shop"
      tags = [
        "policyc",
        "pair_shop",
      ]
    }
  }
  location = {
    device_group = {
      name = "dmz-firewalls"
    }
  }
  name        = each.key
  protocol    = each.value.protocol
  description = each.value.description
  tags        = each.value.tags
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
  ]
}

resource "panos_decryption_profile" "policyc" {
  for_each = {
    "pair_backend-tls-1-2" = {
      ssl_inbound_proxy = {
        block_unsupported_version         = true
        block_unsupported_cipher          = true
        block_if_no_resource              = true
        block_if_hsm_unavailable          = true
        block_tls13_downgrade_no_resource = true
      }
      ssl_protocol_settings = {
        min_version                = "tls1-2"
        max_version                = "max"
        keyxchg_algo_rsa           = true
        keyxchg_algo_dhe           = true
        keyxchg_algo_ecdhe         = true
        enc_algo_3des              = false
        enc_algo_rc4               = false
        enc_algo_aes_128_cbc       = true
        enc_algo_aes_256_cbc       = true
        enc_algo_aes_128_gcm       = true
        enc_algo_aes_256_gcm       = true
        enc_algo_chacha20_poly1305 = true
        auth_algo_md5              = false
        auth_algo_sha1             = true
        auth_algo_sha256           = true
        auth_algo_sha384           = true
      }
    }
  }
  location = {
    device_group = {
      name = "dmz-firewalls"
    }
  }
  name                  = each.key
  ssl_inbound_proxy     = each.value.ssl_inbound_proxy
  ssl_protocol_settings = each.value.ssl_protocol_settings
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_service.policyc,
  ]
}

resource "panos_decryption_policy_rules" "policyc" {
  location = {
    device_group = {
      name     = "dmz-firewalls"
      rulebase = "pre-rulebase"
    }
  }
  position = {
    where = "first"
  }
  rules = [
    {
      name              = "pair_10-20-0-20-8443"
      source_zones      = ["proxies"]
      destination_zones = ["servers"]
      source_addresses = [
        "pair_host-10-10-0-5",
        "pair_host-10-10-0-6",
      ]
      source_user           = ["any"]
      destination_addresses = ["pair_host-10-20-0-20"]
      services              = ["pair_tcp-8443"]
      category              = ["any"]
      action                = "decrypt"
      type = {
        ssl_inbound_inspection = {
          certificates = ["pair_api-example-inter_6643a1ef"]
        }
      }
      profile     = "pair_backend-tls-1-2"
      log_success = true
      log_fail    = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "pair_api",
      ]
      description = "policy.yaml: backends.api, sites.api"
    },
    {
      name              = "pair_10-20-0-10-443"
      source_zones      = ["proxies"]
      destination_zones = ["servers"]
      source_addresses = [
        "pair_host-10-10-0-5",
        "pair_host-10-10-0-6",
      ]
      source_user = ["any"]
      destination_addresses = [
        "pair_host-10-20-0-10",
        "pair_host-10-20-0-11",
      ]
      services = ["pair_tcp-443"]
      category = ["any"]
      action   = "decrypt"
      type = {
        ssl_inbound_inspection = {
          certificates = ["pair_shop-example-inte_dd6aa59f"]
        }
      }
      profile     = "pair_backend-tls-1-2"
      log_success = true
      log_fail    = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "pair_shop",
      ]
      description = "policy.yaml: backends.shop, sites.shop"
    },
  ]
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_service.policyc,
    panos_decryption_profile.policyc,
  ]
}

resource "panos_security_policy_rules" "policyc" {
  location = {
    device_group = {
      name     = "dmz-firewalls"
      rulebase = "pre-rulebase"
    }
  }
  position = {
    where = "first"
  }
  rules = [
    {
      name              = "pair_10-20-0-20-8443"
      source_zones      = ["proxies"]
      destination_zones = ["servers"]
      source_addresses = [
        "pair_host-10-10-0-5",
        "pair_host-10-10-0-6",
      ]
      source_users          = ["any"]
      destination_addresses = ["pair_host-10-20-0-20"]
      services              = ["pair_tcp-8443"]
      category              = ["any"]
      applications = [
        "ssl",
        "web-browsing",
      ]
      action = "allow"
      profile_setting = {
        group = ["Inbound-Strict"]
      }
      log_end     = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "pair_api",
      ]
      description = "policy.yaml: backends.api, sites.api"
    },
    {
      name              = "pair_10-20-0-10-443"
      source_zones      = ["proxies"]
      destination_zones = ["servers"]
      source_addresses = [
        "pair_host-10-10-0-5",
        "pair_host-10-10-0-6",
      ]
      source_users = ["any"]
      destination_addresses = [
        "pair_host-10-20-0-10",
        "pair_host-10-20-0-11",
      ]
      services = ["pair_tcp-443"]
      category = ["any"]
      applications = [
        "ssl",
        "web-browsing",
      ]
      action = "allow"
      profile_setting = {
        group = ["Inbound-Strict"]
      }
      log_end     = true
      log_setting = "to-siem"
      tag = [
        "policyc",
        "pair_shop",
      ]
      description = "policy.yaml: backends.shop, sites.shop"
    },
  ]
  depends_on = [
    panos_administrative_tag.policyc,
    panos_addresses.policyc,
    panos_service.policyc,
    panos_decryption_profile.policyc,
    panos_decryption_policy_rules.policyc,
  ]
}
